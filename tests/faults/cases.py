"""Every fault with every call that it makes sense for, and how a job ends that meets it.

The end is written as the exit codes of up to three runs, and of a job that is held why: "69 0", "75 75 75",
"4 results". Whatever is left then is brought to its end without the fault, and every promise is checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from batchrun.simulator.sending import ENDS

CALLS = ("list", "create", "retrieve", "results", "reconcile")


@dataclass(frozen=True)
class Case:
    name: str
    faults: tuple[str, ...]
    end: str
    accepted: int = 1
    """Batches of ours that the API took: each holds requests that no other holds."""


@dataclass(frozen=True)
class Ends:
    """For each call, how it ends when the fault strikes once, and when it stays."""

    list: tuple[str, str]
    create: tuple[str, str]
    retrieve: tuple[str, str]
    results: tuple[str, str]
    reconcile: tuple[str, str]
    in_parts: tuple[int, int] = (1, 1)
    """Batches that are accepted in the end, should create be what fails."""


_UNREACHABLE = "69 69 69"  # nothing under way, and no way to the API
_WAITING = "75 75 75"  # each run waits as long as the spec says, then leaves it to the next

# An answer that is not the API's: a proxy's page, under whatever status, a redirect. It may pass, and nobody is asked;
# whether a POST arrived is unknown.
ODD = Ends(
    list=("69 0", _UNREACHABLE),
    create=("0", _WAITING),
    retrieve=("0", _WAITING),
    results=("0", _WAITING),
    reconcile=("0", _WAITING),
)
# The same under status 200, in the form of a result: it is taken for results, and found incomplete.
ODD_RESULTS = replace(ODD, results=("0", "4 results"))
# As ODD and ODD_RESULTS, but the call is performed: the batch is found by listing.
SPOILED = Ends(
    list=("69 0", _UNREACHABLE),
    create=("0", "0"),
    retrieve=("0", _WAITING),
    results=("0", _WAITING),
    reconcile=("0", _WAITING),
)
SPOILED_RESULTS = replace(SPOILED, results=("0", "4 results"))
# Trouble that passes: asked again at once, but for create.
TRANSIENT = Ends(
    list=("0", _UNREACHABLE),
    create=("0", _WAITING),
    retrieve=("0", _WAITING),
    results=("0", _WAITING),
    reconcile=("0", _WAITING),
)
# The reply breaks off; create was performed.
BROKEN = Ends(
    list=("0", _UNREACHABLE),
    create=("0", "0"),
    retrieve=("0", _WAITING),
    results=("0", "4 results"),
    reconcile=("0", _WAITING),
)
# The same before the body begins.
NO_ANSWER = replace(BROKEN, results=("0", _WAITING))
# What has its length is whole; results in chunks lack the last one.
BROKEN_AT_THE_END = Ends(("0", "0"), ("0", "0"), ("0", "0"), ("0", "4 results"), ("0", "0"))
# It passes, too, but the client does not ask again by itself: told not to, or to wait for longer than it may.
NOT_RETRIED = Ends(
    list=("69 0", _UNREACHABLE),
    create=("0", _WAITING),
    retrieve=("0", _WAITING),
    results=("0", _WAITING),
    reconcile=("0", _WAITING),
)


# The longest wait that is believed is a day: longer than this spec waits for an answer, but not for a POST.
A_DAY = Ends(
    list=("69 0", _UNREACHABLE),
    create=("0", _WAITING),
    retrieve=("75 0", _WAITING),
    results=("75 0", _WAITING),
    reconcile=("75 0", _WAITING),
)


def _stops(code: int) -> Ends:
    """Only a person can cure it: the run ends with the code, and the next one goes on where it stopped."""
    return _everywhere((f"{code} 0", f"{code} {code} {code}"))


def _everywhere(end: tuple[str, str]) -> Ends:
    return Ends(end, end, end, end, end)


KEY, MONEY = _stops(77), _stops(4)
# Whoever says so: on create it may be a proxy's word, and the POST have arrived.
KEY_PAGE = replace(KEY, create=("0", _WAITING))
# Refused as it is: a rerun changes nothing, `batchrun retry` sends it again.
WRONG = replace(_stops(65), create=("65 65 65", "65 65 65"))
UNKNOWN_ID = Ends(
    list=("66 0", "66 66 66"),
    create=("65 65 65", "65 65 65"),
    retrieve=("0", _WAITING),
    results=("0", _WAITING),
    reconcile=("66 0", "66 66 66"),
)
CONFLICT = Ends(
    list=("69 0", _UNREACHABLE),
    create=("65 65 65", "65 65 65"),
    retrieve=("0", _WAITING),
    results=("0", _WAITING),
    reconcile=("0", _WAITING),
)
TOO_LARGE = Ends(
    list=("65 0", "65 65 65"),
    create=("0", "65 65 65"),
    retrieve=("65 0", "65 65 65"),
    results=("65 0", "65 65 65"),
    reconcile=("65 0", "65 65 65"),
    in_parts=(2, 3),
)
# The answer is right all the same.
HARMLESS = _everywhere(("0", "0"))


def _status(code: int, more: str = "") -> str:
    return f"status: {{code: {code}{more}}}"


def _retry_after(value: str) -> str:
    return _status(429, f", headers: {{retry-after: {value}}}")


ANSWERS: Mapping[str, tuple[str, Ends]] = {
    # not performed, and something else answered
    **{f"200 {form}": (_status(200, f", form: {form}"), ODD) for form in ("html", "empty", "list", "string", "number", "none")},
    "200 object": (_status(200, ", form: object"), ODD_RESULTS),
    **{f"201 {form}": (_status(201, f", form: {form}"), ODD) for form in ("html", "object")},
    "204": (_status(204, ", form: empty"), ODD),
    # performed, and its answer spoiled
    **{f"performed, {form}": (f"garble: {form}", SPOILED) for form in ("html", "empty", "list", "string", "number", "bomb")},
    **{f"performed, {form}": (f"garble: {form}", SPOILED_RESULTS) for form in ("truncated", "huge")},
    "performed, 201": ("garble: {code: 201}", SPOILED),
    "performed, 204": ("garble: {code: 204, form: empty}", SPOILED),
    "performed, 202": ("garble: {code: 202}", SPOILED),
    "huge header": ("garble: huge_header", NO_ANSWER),
    "many headers": ("garble: many_headers", NO_ANSWER),
    "no Date": ("headers: {date: null}", HARMLESS),
    "Date of nonsense": ("headers: {date: soon}", HARMLESS),
    "no content-type": ("headers: {content-type: null}", HARMLESS),
    # redirects
    **{f"{code} to itself": (f"redirect: {{to: self, code: {code}}}", ODD) for code in range(301, 309)},
    **{f"{code} round in a circle": (f"redirect: {{to: loop, code: {code}}}", ODD) for code in (301, 302, 307, 308)},
    **{f"{code} to another host": (f"redirect: {{to: 'http://127.0.0.1:9/x', code: {code}}}", ODD) for code in (301, 302, 303, 307, 308)},
    # the API's refusals
    "400": (_status(400), WRONG),
    "400 spend limit": (_status(400, ", error: {message: You have reached your specified API usage limits.}"), MONEY),
    "400 credit": (_status(400, ", error: {message: Your credit balance is too low}"), MONEY),
    "401": (_status(401), KEY),
    "402": (_status(402), MONEY),
    "403": (_status(403), KEY),
    "404": (_status(404), UNKNOWN_ID),
    "409": (_status(409), CONFLICT),
    "413": (_status(413), TOO_LARGE),
    "422": (_status(422), WRONG),
    # error pages of what stands between
    "413 as HTML": (_status(413, ", form: html"), TOO_LARGE),
    **{f"{code} as HTML": (_status(code, ", form: html"), ODD) for code in (400, 403, 404, 409)},
    "401 as HTML": (_status(401, ", form: html"), KEY_PAGE),
    "429 as HTML": (_status(429, ", form: html"), TRANSIENT),
    # too much
    "429": (_status(429), TRANSIENT),
    **{f"429 retry-after {value}": (_retry_after(value), TRANSIENT) for value in ("0", "5", "-5", "soon", "''")},
    "429 retry-after a date gone by": (_retry_after("'Sun, 22 Nov 2026 09:00:00 GMT'"), TRANSIENT),
    "429 retry-after a date to come": (_retry_after("'Sun, 22 Nov 2026 10:01:00 GMT'"), TRANSIENT),
    "429 retry-after 99999999": (_retry_after("99999999"), A_DAY),
    "429 retry-after too long for one call": (_retry_after("400"), NOT_RETRIED),
    **{f"429 {code}": (_status(429, f", error: {{code: {code}}}"), MONEY) for code in ("enforced_spend_limit_reached", "contract_spend_limit_reached")},
    # trouble
    **{str(code): (_status(code), TRANSIENT) for code in (408, 500, 502, 503, 504, 529)},
    **{f"{code} as HTML": (_status(code, ", form: html"), TRANSIENT) for code in (500, 502, 503, 504, 520, 521, 522, 523, 524, 529)},
    "503 not to be retried": (_status(503, ", headers: {x-should-retry: 'false'}"), NOT_RETRIED),
    "429 not to be retried": (_status(429, ", headers: {x-should-retry: 'false'}"), NOT_RETRIED),
    # the connection
    **{f"reset after {n} of the request": (f"reset: {{request: {n}}}", TRANSIENT) for n in ("0", "1", "half", "all")},
    **{f"reset after {n} of the reply": (f"reset: {{reply: {n}}}", BROKEN) for n in ("0", "1", "half")},
    "reset after all of the reply": ("reset: {reply: all}", BROKEN_AT_THE_END),
    "a second of silence": ("stall: 0.2", HARMLESS),
    "silence within": ("stall: {seconds: 0.2, at: body}", HARMLESS),
    "slow drip": ("drip: {seconds: 0.0005, bytes: 64}", HARMLESS),
    "slow drip of headers": ("drip: {seconds: 0.0005, bytes: 64, of: headers}", HARMLESS),
}  # fmt: skip


def answers(call: str) -> Iterator[Case]:
    """Every answer to one call: once, and as long as the fault is there."""
    for name, (action, ends) in ANSWERS.items():
        parts = ends.in_parts if call == "create" else (1, 1)
        for times, end, accepted in zip((1, 0), getattr(ends, call), parts, strict=True):
            often = "once" if times else "always"
            yield Case(f"{call}: {name}, {often}", _on(call, action, times), end, accepted)


def _on(call: str, action: str, times: int) -> tuple[str, ...]:
    if call == "reconcile":  # the list that looks for a batch whose reply was lost
        return ("create: {accept_then: reset}", f"list: {{{action}, skip: 1, times: {times}}}")
    return (f"{call}: {{{action}, times: {times}}}",)


LOST = "create: {accept_then: reset}"


def _cut(end: str) -> Iterator[Case]:
    for kept in ("0", "1", "half", "-1"):
        yield Case(f"cut, {end}, {kept}", (f"results: {{cut: {{bytes: {kept}, end: {end}}}}}",), "0")
    often = f"results: {{cut: {{bytes: half, end: {end}}}, times: 4}}"
    yield Case(f"cut, {end}, four times", (often,), "0")
    yield Case(f"cut, {end}, always", (often.replace("4", "0"),), "4 results")


def _lines(form: str, once: str = "0", always: str = "4 results") -> Iterator[Case]:
    yield Case(f"lines {form}", (f"results: {{lines: {form}}}",), once)
    yield Case(f"lines {form}, always", (f"results: {{lines: {form}, times: 0}}",), always)


OTHERS: Sequence[Case] = (
    Case("no fault at all", (), "0"),
    # create: accepted, and something else said
    *(
        Case(f"accepted, then {answer}", (f"create: {{accept_then: {told}}}",), end)
        for answer, told, end in (
            ("no reply", "reset", "0"),
            *((str(code), str(code), "0") for code in (408, 500, 502, 503, 504, 520, 524)),
            ("500 as HTML", "{code: 500, form: html}", "0"),
            ("529 as HTML", "{code: 529, form: html}", "0"),
            ("200 and nothing", "{code: 200, form: empty}", "0"),
            ("a redirect", "{code: 307, form: empty, headers: {location: /elsewhere}}", "0"),
        )
    ),
    Case("accepted twice in a row without a reply", (f"{LOST[:-1]}, times: 2}}",), "0"),
    # the batch that was named is ours, whatever its counts
    Case("one request too many in the reply", ("create: {counts: 1}",), "0"),
    Case("one request too many in every answer", ("any: {counts: 1, times: 0}",), "4 results"),
    Case("counts of nonsense in the reply", ("create: {counts: {expired: many}}",), "0"),
    Case("no counts in the reply", ("create: {fields: {request_counts: null}}",), "0"),
    # list lags behind create
    *(Case(f"lost, and list lags by {lag} s", (LOST, f"list: {{lag: {lag}}}"), "0") for lag in (0.1, 5, 120, 600)),
    # strangers
    *(
        Case(
            f"lost among strangers: {before} before, {after} after, of {size}",
            (f"create: {{strangers: {{requests: {size}, before: {before}, after: {after}}}}}", LOST),
            end,
        )
        for before, after, size, end in (
            (1, 0, 3, "4 several"), (0, 1, 3, "4 several"), (2, 2, 3, "4 several"), (3, 3, 2, "0"), (0, 1, 300, "0"),
        )
    ),
    # clocks
    *(Case(f"lost to a server whose clock is off by {skew} s", (f"create: {{skew: {skew}}}", LOST), "0") for skew in (-30, -5, 5, 30)),
    # retrieve
    Case("a status that goes back", ("retrieve: {stale: true, skip: 2}",), "0"),
    Case("a status that stays behind", ("retrieve: {stale: true, times: 0}",), _WAITING),
    Case("a status nobody knows", ("retrieve: {fields: {processing_status: paused}, times: 2}",), "0"),
    Case("a status nobody knows, always", ("retrieve: {fields: {processing_status: paused}, times: 0}",), _WAITING),
    Case("another batch in reply", ("retrieve: {fields: {id: msgbatch_other}}",), "0"),
    Case("odd counts", ("retrieve: {counts: {succeeded: -1}}",), "0"),
    Case("ended, one too many", ("retrieve: {counts: 1, skip: 3}",), "0"),
    Case("ended, and never the counts of its results", ("retrieve: {counts: 1, times: 0}",), "4 results"),
    Case("a batch that flaps", ("retrieve: {not_found: true, every: 2, times: 0}",), "0"),
    Case("a batch that is gone", ("retrieve: {not_found: true, times: 0}",), _WAITING),
    Case("a batch that is archived", ("archived: true",), "4 not_found"),
    # results
    *(case for end in ENDS for case in _cut(end)),
    *_lines("shuffled", always="0"),
    *_lines("separators", always="0"),
    *_lines("duplicated", always="0"),
    *_lines("{form: duplicated, count: 3}", always="0"),
    *_lines("reworded"),
    *_lines("missing"),
    *_lines("foreign"),
    *_lines("unparsable"),
    *_lines("{form: foreign, count: 3}"),
    *_lines("{form: missing, count: 3}", always=_WAITING),  # nothing at all is no results, but somebody else's answer
    Case("results that hide", ("results: {not_found: true, times: 3}",), "0"),
    Case("results that never show", ("results: {not_found: true, times: 0}",), _WAITING),
    Case("a gigabyte of white space", ("results: {garble: {form: bomb, bytes: 1000000000}}",), "0"),
    Case("a line without end", ("results: {lines: endless}",), "0"),
)  # fmt: skip
