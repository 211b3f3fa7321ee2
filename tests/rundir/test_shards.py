from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.errors import CannotCreate, DataError, DiskError
from batchrun.fs import files
from batchrun.lifecycle.state import Shard
from batchrun.model import Job, Limits
from batchrun.requests.expand import Bulk, Request, key_of
from batchrun.run.prepare import new_nonce
from batchrun.rundir.shards import Cutter, body_digest, custom_ids, keys_in, keys_needed, requests_in
from tests.jobs import job

NOWHERE = Path("/nowhere")
BODY: dict[str, Any] = {
    "max_tokens": 7,
    "messages": [{"content": "hi", "role": "user"}],
    "model": "claude-haiku-4-5",
}


def request(text: str = "hi") -> Request:
    params = orjson.dumps({**BODY, "messages": [{"content": text, "role": "user"}]})
    return Request(key_of(params), params, 0, "claude-haiku-4-5", 7)


KEPT = request("kept")


def limited(*, requests: int = 100_000, size: int = 240_000_000, **changes: Any) -> Job:
    return replace(job(NOWHERE), limits=Limits(batch_requests=requests, batch_bytes=size), **changes)


def cut(requests: Sequence[Request], a: Job, folder: Path | None, **options: Any) -> tuple[Shard, ...]:
    numbers = count(1)
    path_of = (lambda name: folder / f"{name}.jsonl") if folder else None
    cutter = Cutter(
        a,
        first=options.pop("first", 1),
        nonce=lambda: f"{next(numbers):016x}",
        price_of=lambda _model: None,
        path_of=path_of,
        **options,
    )
    with cutter:
        for number, one in enumerate(requests, start=1):
            cutter.add(one, where=f"row {number}")
        return cutter.close()


def naive_body(requests: Sequence[Request], nonce: str) -> bytes:
    entries = [{"custom_id": f"{r.key.hex()}-{nonce}", "params": orjson.loads(r.params)} for r in requests]
    return orjson.dumps({"requests": entries})


def sent_body(path: Path) -> bytes:
    """The body as it is sent: the file's lines with commas between them."""
    return b'{"requests":[' + path.read_bytes()[:-1].replace(b"\n", b",") + b"]}"


TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=12)


@given(texts=TEXTS, limit=st.integers(1, 5))
def test_what_is_measured_is_the_exact_body(
    texts: list[str], limit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    requests = [request(text) for text in texts]
    shards = cut(requests, limited(requests=limit), folder)
    assert [s.requests for s in shards] == [
        len(requests[i : i + limit]) for i in range(0, len(requests), limit)
    ]
    for number, shard in enumerate(shards):
        here = requests[number * limit : (number + 1) * limit]
        body = sent_body(folder / f"{shard.id}.jsonl")
        assert body == naive_body(here, shard.nonce)
        assert (shard.bytes, shard.sha256) == (len(body), hashlib.sha256(body).hexdigest())
        assert list(requests_in(folder / f"{shard.id}.jsonl")) == here
    assert keys_in(folder.iterdir()) == {r.key for r in requests}
    assert len({s.nonce for s in shards}) == len(shards)


@pytest.mark.parametrize("spare", [-1, 0, 1])
@pytest.mark.parametrize("number", [2, 3])
def test_cut_at_the_exact_byte(number: int, spare: int, tmp_path: Path) -> None:
    requests = [request(f"text {n}") for n in range(number)]
    exact = len(naive_body(requests, "0" * 16))
    shards = cut(requests, limited(size=exact + spare), tmp_path)
    assert [s.requests for s in shards] == ([number] if spare >= 0 else [number - 1, 1])
    assert all(s.bytes <= exact + spare for s in shards)


@pytest.mark.parametrize("spare", [-1, 0, 1])
def test_a_request_that_fits_no_batch_names_its_row(spare: int, tmp_path: Path) -> None:
    large = request("x" * 1000)
    exact = len(naive_body([large], "0" * 16))
    a = limited(size=exact + spare)
    if spare >= 0:
        assert [s.bytes for s in cut([large], a, tmp_path)] == [exact]
        return
    with pytest.raises(DataError) as caught:
        cut([request(), large], a, tmp_path)
    line = exact - len('{"requests":[]}') + 1
    assert (
        str(caught.value) == f"row 2: the request takes {line:,} bytes; a whole batch may take {exact - 1:,}"
    )
    assert (
        caught.value.hint == "shorten the row, or put large files into the Files API and name them by file_id"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "sizes"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])]
)
def test_cut_by_number(number: int, sizes: list[int], tmp_path: Path) -> None:
    shards = cut([request(str(n)) for n in range(number)], limited(requests=3), tmp_path)
    assert [s.requests for s in shards] == sizes
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{n:04d}.jsonl" for n in range(1, len(sizes) + 1)]


@pytest.mark.parametrize(
    ("limit", "nonce", "size"),
    [
        (100_000, 0, 100_000),
        (100_000, 1, 99_999),
        (100_000, 999, 99_001),
        (100_000, 1000, 100_000),
        (100_000, 2**64 - 1, 100_000 - (2**64 - 1) % 1000),
        (50_000, 999, 49_501),
        (1000, 999, 991),
        (500, 500, 498),
        (100, 999, 100),
        (1, 999, 1),
    ],
)
def test_the_size_of_a_full_shard_is_a_mark(limit: int, nonce: int, size: int) -> None:
    """By count alone two jobs of one workspace could not be told apart: their full shards had 100,000 requests."""
    one, a = request(), limited(requests=limit)
    for marked, expected in ((True, size), (False, limit)):
        cutter = Cutter(
            a,
            first=1,
            nonce=lambda: f"{nonce:016x}",
            price_of=lambda _model: None,
            path_of=None,
            marked=marked,
        )
        with cutter:
            for _ in range(expected + 1):
                cutter.add(one)
            assert [s.requests for s in cutter.close()] == [expected, 1]


@pytest.mark.parametrize(("nonce", "number"), [(0, 10_000), (500, 9950), (999, 9900)])
def test_so_is_that_of_a_shard_that_is_full_by_its_bytes(nonce: int, number: int, tmp_path: Path) -> None:
    one = request("x" * 200)
    exact = len(naive_body([one] * 2, "0" * 16)) - len(naive_body([one], "0" * 16))
    a = limited(size=10_000 * exact + len('{"requests":[]}'))
    cutter = Cutter(
        a,
        first=1,
        nonce=lambda: f"{nonce:016x}",
        price_of=lambda _model: None,
        path_of=lambda n: tmp_path / n,
    )
    with cutter:
        for _ in range(10_001):
            cutter.add(one)
        shards = cutter.close()
    assert shards[0].requests == number
    assert sum(s.requests for s in shards) == 10_001
    assert [len(sent_body(tmp_path / s.id)) for s in shards] == [s.bytes for s in shards]


def test_the_sizes_of_full_shards_differ() -> None:
    """By nonces as they are drawn: of twenty full shards no more than a few are alike."""
    cutter = Cutter(
        limited(requests=10_000), first=1, nonce=new_nonce, price_of=lambda _model: None, path_of=None
    )
    with cutter:
        for _ in range(20 * 10_000):
            cutter.add(KEPT)
        sizes = [s.requests for s in cutter.close()][:-1]
    assert len(sizes) >= 20
    assert all(9900 < size <= 10_000 for size in sizes)
    assert len(set(sizes)) > 10


@pytest.mark.parametrize("count", [1, 2, 300])
def test_the_digest_of_a_body_from_its_file(count: int, tmp_path: Path) -> None:
    [shard] = cut([request("x" * 9000 + str(n)) for n in range(count)], limited(), tmp_path)
    file = tmp_path / "0001.jsonl"
    assert body_digest(file) == shard.sha256
    assert file.stat().st_size > files.CHUNK or count < 300
    file.write_bytes(file.read_bytes()[:-2])
    assert body_digest(file) != shard.sha256
    with pytest.raises(DiskError, match=r"cannot read .*0002\.jsonl"):
        body_digest(tmp_path / "0002.jsonl")


def test_custom_ids(tmp_path: Path) -> None:
    requests = [request("a"), request("b")]
    (shard,) = cut(requests, limited(), tmp_path)
    ids = list(custom_ids(tmp_path / "0001.jsonl"))
    assert ids == [f"{r.key.hex()}-{shard.nonce}" for r in requests]
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", name) for name in ids)  # api-facts §5


def test_a_shard_knows_how_it_is_sent(tmp_path: Path) -> None:
    a = limited(betas=("b-1", "b-2"), api_version="2026-10-21")
    (shard,) = cut([request()], a, tmp_path, first=12_345, attempt=3)
    assert (shard.id, shard.attempt, shard.betas) == ("12345", 3, ("b-1", "b-2"))
    assert (shard.api_version, shard.estimate.requests) == ("2026-10-21", 1)


def test_planning_measures_the_same_and_writes_nothing(tmp_path: Path) -> None:
    requests = [request(str(n)) for n in range(5)]
    planned, written = cut(requests, limited(requests=2), None), cut(requests, limited(requests=2), tmp_path)
    assert planned == tuple(replace(s, sha256="") for s in written)


def test_files_are_private_and_whole_or_not_there(tmp_path: Path) -> None:
    requests = [request("a"), request("b"), request("x" * 3000)]
    with pytest.raises(DataError):
        cut(requests, limited(requests=1, size=2000), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["0001.jsonl"]  # the second was not finished
    assert (tmp_path / "0001.jsonl").stat().st_mode & 0o777 == 0o600


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotCreate, match=r"^cannot create .*/file/0001\.jsonl: Not a directory$"):
        cut([request()], limited(), tmp_path / "file")


def test_a_shard_that_is_gone(tmp_path: Path) -> None:
    for read in (custom_ids, requests_in):
        with pytest.raises(DiskError, match=r"^cannot read .*/0009\.jsonl: No such file or directory$"):
            list(read(tmp_path / "0009.jsonl"))


def test_keys_needed(tmp_path: Path) -> None:
    keys = [key_of(bytes([n])) for n in range(4)]
    lines = [
        {"row": 1, "id": "a", "keys": [keys[0].hex(), keys[1].hex()]},
        {"row": 2, "id": "b", "keys": [keys[2].hex()]},
    ]
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    assert keys_needed(rows) == set(keys[:3])


@given(texts=TEXTS, before=st.integers(0, 3))
def test_many_requests_at_once_make_the_same_shard(
    texts: list[str], before: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    requests = [request(text) for text in texts]
    one_by_one, at_once = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("all")
    expected = cut(requests, limited(), one_by_one)
    many = requests[before:]
    bulk = Bulk(
        [r.key for r in many],
        [r.key.hex().encode() for r in many],
        [r.params for r in many],
        "claude-haiku-4-5",
        7,
        same=b"",
        text=b"".join(r.params for r in many),
    )
    cutter = Cutter(
        limited(),
        first=1,
        nonce=lambda: f"{1:016x}",
        price_of=lambda _model: None,
        path_of=lambda name: at_once / f"{name}.jsonl",
    )
    with cutter:
        for one in requests[:before]:
            cutter.add(one)
        assert not many or cutter.add_all(bulk)
        assert cutter.close() == expected
    assert (at_once / "0001.jsonl").read_bytes() == (one_by_one / "0001.jsonl").read_bytes()


@pytest.mark.parametrize(("fits", "limits"), [(True, {"requests": 3}), (False, {"requests": 2})])
def test_many_requests_are_added_whole_or_not_at_all(fits: bool, limits: dict[str, int]) -> None:
    many = [request(text) for text in ("a", "b", "c")]
    params = [r.params for r in many]
    bulk = Bulk(
        [r.key for r in many], [b""] * 3, params, "claude-haiku-4-5", 7, same=b"", text=b"".join(params)
    )
    cutter = Cutter(
        limited(**limits), first=1, nonce=lambda: "0" * 16, price_of=lambda _model: None, path_of=None
    )
    with cutter:
        assert cutter.add_all(bulk) is fits
        assert sum(shard.requests for shard in cutter.close()) == (3 if fits else 0)
