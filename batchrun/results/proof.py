"""Are these results whole, and ours? The one place that decides it (design §4, Fetching)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from operator import add
from pathlib import Path

from batchrun.cost.amounts import Price, Tally
from batchrun.cost.prices import TICKS, PriceLookup, cost_ticks, message_ticks
from batchrun.cost.usage import Tokens, searches_of, tokens_of
from batchrun.errors import IncompleteResults
from batchrun.fs.files import disk_error, lines
from batchrun.model import Json, RequestCounts, Result, ResultType, Usage
from batchrun.results.lines import Usual, loads, result_of, usual
from batchrun.safetext import plain


class ForeignResults(IncompleteResults):
    """Results of a batch that is not ours: not one of its ids is. Fetching again would not help."""


def prove(part: Path, ids: Iterable[str], counts: RequestCounts, price_of: PriceLookup) -> Tally:
    """What the results in `part` add up to, once they are proven to be exactly those of a shard.

    `ids` are the shard's custom_ids, `counts` what the API says of the ended batch. Every line must parse,
    the ids must be the shard's, each once, and the results of each type must be as many as `counts` says:
    the service sends no LF after the last line, so nothing else tells a whole file from one that was cut. A line
    that comes again, byte for byte, says nothing new, and is not counted.
    Raises ForeignResults, IncompleteResults saying all that is wrong, DiskError.
    """
    check, sums = _IdCheck(ids), _Sums(price_of)
    try:
        for number, line in enumerate(lines(part), start=1):
            try:
                value = loads(line)
                parts = usual(value)
                result = result_of(value) if parts is None else None
            except ValueError as error:
                if line.strip():
                    check.fault(_NO_RESULT, f"line {number}: {error}")
                continue
            if parts is not None:
                if check.see(parts[0]):
                    sums.add_usual(parts)
            elif result is not None and check.see(result.custom_id):
                sums.add(result)
        check.compare(part)
    except OSError as error:
        raise disk_error(error, part, "read") from error
    tally = sums.tally()
    if problems := check.problems() + _differences(tally.counts, counts):
        raise IncompleteResults("the results are not complete: " + "; ".join(problems))
    return tally


def _differences(found: RequestCounts, said: RequestCounts) -> list[str]:
    if said.processing:
        return [f"the API still counts {said.processing:,} requests as processing"]
    return [
        f"{ours:,} {kind.value} where the API counts {theirs:,}"
        for kind in ResultType
        if (ours := getattr(found, kind.value)) != (theirs := getattr(said, kind.value))
    ]


_Words = tuple[str, str]
"""What is wrong, for one and for many."""

_NO_RESULT = ("line that is no result", "lines that are no result")
_TWICE = ("id with different results", "ids with different results")
_FOREIGN = ("id of another request", "ids of other requests")
_MISSING = ("id without a result", "ids without a result")


class _IdCheck:
    """Every id of the shard once, and no other. Holds the shard's ids: at most 100,000 (api-facts §5)."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._expected = frozenset(ids)
        self._missing = set(self._expected)
        self._doubled: set[str] = set()
        self._faults: Counter[_Words] = Counter()
        self._examples: dict[_Words, str] = {}

    def see(self, custom_id: str) -> bool:
        """Whether its result counts: not one that came before."""
        try:
            self._missing.remove(custom_id)
        except KeyError:
            if custom_id in self._expected:
                self._doubled.add(custom_id)
                return False
            self.fault(_FOREIGN, plain(custom_id, 70))
        return True

    def compare(self, part: Path) -> None:
        """Hold the lines of each id that came again against its first one."""
        first: dict[str, bytes] = {}
        differing: set[str] = set()
        for line in lines(part) if self._doubled else ():
            if (custom_id := _id_of(line)) not in self._doubled:
                continue
            digest = blake2b(line, digest_size=16).digest()
            if first.setdefault(custom_id, digest) != digest and custom_id not in differing:
                differing.add(custom_id)
                self.fault(_TWICE, custom_id)

    def fault(self, what: _Words, example: str) -> None:
        self._faults[what] += 1
        self._examples.setdefault(what, example)

    def problems(self) -> list[str]:
        """What is wrong, with a count and one example each. Raises ForeignResults when no id was ours."""
        if self._faults[_FOREIGN] and self._missing == self._expected:
            raise ForeignResults(
                f"the batch is not ours: none of its {self._faults[_FOREIGN]:,} results has an id of this"
                f" shard (the first is {self._examples[_FOREIGN]})"
            )
        if self._missing:
            self._faults[_MISSING] = len(self._missing)
            self._examples[_MISSING] = min(self._missing)
        return [f"{n:,} {what[n > 1]} ({self._examples[what]})" for what, n in self._faults.items()]


def _id_of(line: bytes) -> str:
    """The id of a result; none where it is none."""
    try:
        value = loads(line)
        parts = usual(value)
        return parts[0] if parts else result_of(value).custom_id
    except ValueError:
        return ""


class _Sums:
    """Adds results up. Where a model has one price for every prompt, the tokens of its usual results are summed
    as they are and priced once: pricing each message by itself would take a third of the proof."""

    def __init__(self, price_of: PriceLookup) -> None:
        self._price_of = price_of
        self._types: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._stops: Counter[str] = Counter()
        self._flat: dict[Json, tuple[Price, list[int]]] = {}
        self._others = [0] * 5
        self._ticks = self._unpriced = self._searches = 0

    def add_usual(self, parts: Usual) -> None:
        custom_id, message, model, stop, fresh, out, cached = parts
        flat = self._flat.get(model)
        if flat is None:
            self.add(Result(custom_id, ResultType.SUCCEEDED, message))
            return
        sums = flat[1]
        sums[0] += 1
        sums[1] += fresh
        sums[2] += out
        sums[3] += cached
        self._stops[stop] += 1

    def add(self, result: Result) -> None:
        _, kind, message, error = result
        self._types[kind] += 1
        if error is not None:
            self._errors[error.type] += 1
        if message is not None:
            self._stops[str(message.get("stop_reason"))] += 1
            tokens = tokens_of(message)
            self._others = list(map(add, self._others, tokens))
            self._price(message, tokens)

    def _price(self, message: Mapping[str, Json], tokens: Tokens) -> None:
        """Count what one message cost."""
        self._searches += searches_of(message)
        model = message.get("model")
        price = self._price_of(str(model))
        if price is None:
            self._unpriced += 1
            return
        self._ticks += message_ticks(price, message, tokens)
        if len(price.rates) == 1:
            self._flat.setdefault(model, (price, [0] * 4))

    def tally(self) -> Tally:
        types, ticks, usage = self._types.copy(), self._ticks, Usage(*self._others)
        for price, (succeeded, fresh, out, cached) in self._flat.values():
            tokens = fresh, out, 0, 0, cached
            ticks, usage = ticks + cost_ticks(price, tokens), usage + Usage(*tokens)
            types[ResultType.SUCCEEDED] += succeeded
        return Tally(
            counts=RequestCounts(**types),
            errors=dict(sorted(self._errors.items())),
            stop_reasons=dict(sorted(self._stops.items())),
            usage=usage,
            cost_usd=ticks / TICKS,
            unpriced=self._unpriced,
            searches=self._searches,
        )
