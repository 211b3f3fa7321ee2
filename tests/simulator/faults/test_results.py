"""Faults of results, met over HTTP."""

from __future__ import annotations

import zlib

import orjson
import pytest
import requests

from tests.simulator.faults.faulty import Faulty, raw_reply
from tests.simulator.helpers import Client, entry


def whole_results(faulty: Faulty) -> tuple[str, bytes]:
    with Client(faulty("{}")) as client:
        batch_id = client.create(entry("a"), entry("b"))["id"]
        return batch_id, client.get(f"{batch_id}/results").content


@pytest.mark.parametrize(("cut", "kept"), [("100", slice(100)), ("-5", slice(-5)), ("0", slice(0))])
def test_results_cut_clean(faulty: Faulty, cut: str, kept: slice) -> None:
    batch_id, whole = whole_results(faulty)
    with Client(faulty(f"faults: [{{cut: {cut}}}]")) as client:
        assert client.get(f"{batch_id}/results").content == whole[kept]
        assert client.get(f"{batch_id}/results").content == whole


def test_results_torn_off(faulty: Faulty) -> None:
    batch_id, _ = whole_results(faulty)
    with (
        Client(faulty("faults: [{cut: {bytes: 100, end: torn}}]")) as client,
        pytest.raises(requests.exceptions.ChunkedEncodingError),
    ):
        client.get(f"{batch_id}/results")


ENDS: dict[str, tuple[str | None, bool, bool]] = {
    # how it ends: content-length (of the whole, of what is sent, or none), chunked, packed
    "clean": (None, True, False),
    "torn": (None, True, False),
    "short": ("whole", False, False),
    "closed": (None, False, False),
    "gzip_length": ("sent", False, True),
    "gzip_chunks": (None, True, True),
}


@pytest.mark.parametrize("end", ENDS)
def test_each_way_to_be_cut(faulty: Faulty, end: str) -> None:
    batch_id, whole = whole_results(faulty)
    simulator = faulty(f"faults: [{{results: {{cut: {{bytes: -7, end: {end}}}}}}}]")
    path = f"/v1/messages/batches/{batch_id}/results"
    request = f"GET {path} HTTP/1.1\r\nhost: h\r\nx-api-key: k\r\nanthropic-version: 2023-06-01\r\n"
    reply, _ = raw_reply(simulator, (request + "connection: close\r\n\r\n").encode())
    head, _, body = reply.partition(b"\r\n\r\n")
    length, chunked, packed = ENDS[end]
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert ("transfer-encoding" in headers, headers.get("content-encoding")) == (
        chunked,
        "gzip" if packed else None,
    )
    assert body.endswith(b"0\r\n\r\n") == (chunked and end != "torn")
    if chunked:
        body = body.partition(b"\r\n")[2].partition(b"\r\n" if not packed else b"\r\n0\r\n\r\n")[0]
    if length:
        assert int(headers["content-length"]) == (len(whole) if length == "whole" else len(body))
    text = zlib.decompressobj(wbits=31).decompress(body) if packed else body
    assert whole.startswith(text)
    assert packed or len(text) == len(whole) - 7


def lines_of(faulty: Faulty, form: str) -> tuple[list[bytes], list[bytes]]:
    """The lines as they are, and as the fault has them."""
    with Client(faulty(f"faults: [{{results: {{lines: {form}}}}}]")) as client:
        batch_id = client.create(*(entry(f"row-{n}") for n in range(6)))["id"]
        spoiled, whole = (client.get(f"{batch_id}/results").content for _ in range(2))
    return whole.split(b"\n"), spoiled.split(b"\n")


def test_lines_in_another_order(faulty: Faulty) -> None:
    whole, spoiled = lines_of(faulty, "shuffled")
    assert sorted(spoiled) == sorted(whole)


def test_lines_twice_and_lines_missing(faulty: Faulty) -> None:
    whole, spoiled = lines_of(faulty, "{form: duplicated, count: 2}")
    assert spoiled == [whole[0], whole[0], whole[1], whole[1], *whole[2:]]
    whole, spoiled = lines_of(faulty, "missing")
    assert spoiled == whole[1:]


def test_lines_that_are_foreign_or_no_result(faulty: Faulty) -> None:
    whole, spoiled = lines_of(faulty, "{form: foreign, count: 100}")
    assert [orjson.loads(line)["custom_id"] for line in spoiled] == [
        f"stranger-{orjson.loads(line)['custom_id']}" for line in whole
    ]
    whole, spoiled = lines_of(faulty, "unparsable")
    assert (spoiled[0], spoiled[1:]) == (whole[0][: len(whole[0]) // 2], whole[1:])


def test_lines_with_separators_inside(faulty: Faulty) -> None:
    whole, spoiled = lines_of(faulty, "separators")
    assert (len(spoiled), spoiled[1:]) == (6, whole[1:])
    text = orjson.loads(spoiled[0])["result"]["separators"]
    assert text.endswith("one\u2028two\u2029three\x85four\r\nfive\rsix")
    assert spoiled[0].endswith(b"\r}")


def test_a_line_without_end(faulty: Faulty) -> None:
    _, spoiled = lines_of(faulty, "{form: endless, count: 3000000}")
    assert spoiled == [b'{"custom_id":"' + b"x" * 3_000_000]
