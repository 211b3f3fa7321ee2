from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from tests.media.files import HTML, SVG, gif, heic, jpeg, pdf, png, webp
from tests.requests.params.told import told, turn

PLACE = "messages.0.content.0.source"


def sent(data: bytes | str, media_type: Any = "image/png", kind: str = "image", **more: Any) -> list[str]:
    text = b64encode(data).decode() if isinstance(data, bytes) else data
    source = {"type": "base64", "media_type": media_type, "data": text}
    lines = told(messages=[turn({"type": kind, "source": source})], **more)
    return [line.replace(f"{PLACE}.", "", 1) for line in lines]


@pytest.mark.parametrize(
    ("data", "media_type"),
    [(png(), "image/png"), (jpeg(), "image/jpeg"), (gif(), "image/gif"), (webp(), "image/webp")],
)
def test_what_it_says_it_is(data: bytes, media_type: str) -> None:
    assert sent(data, media_type) == []


@pytest.mark.parametrize(
    ("data", "media_type", "said"),
    [
        (jpeg(), "image/png", "is a JPEG; media_type says image/png"),
        (png(), "image/jpeg", "is a PNG; media_type says image/jpeg"),
        (webp(), "image/gif", "is a WebP; media_type says image/gif"),
        (gif(), "image/webp", "is a GIF; media_type says image/webp"),
        (HTML, "image/png", "is an HTML page; media_type says image/png"),
        (SVG, "image/png", "is an SVG; media_type says image/png"),
        (heic(), "image/jpeg", "is a HEIC image; media_type says image/jpeg"),
        (pdf(), "image/jpeg", "is a PDF; media_type says image/jpeg"),
        (b'{"error": "gone"}', "image/png", "is JSON; media_type says image/png"),
        (b"version https://git-lfs.github.com/spec/v1\n", "image/png", "is a pointer of Git LFS, and not the file itself; media_type says image/png"),
        (b"\0\1\2\3", "image/png", "is of a kind that is not known; media_type says image/png"),
        (b"", "image/png", "is empty"),
        (png()[:-20], "image/png", "is cut short: its end is missing"),
        (jpeg()[:-2], "image/jpeg", "is cut short: its end is missing"),
        (webp()[:-1], "image/webp", "is cut short: its end is missing"),
        (gif()[:-1], "image/gif", "is cut short: its end is missing"),
        (png(8001, 1), "image/png", "is 8,001 × 1 pixels; the most is 8,000 a side"),
        (png(1, 9000), "image/png", "is 1 × 9,000 pixels; the most is 8,000 a side"),
        (png(more=6_000_000), "image/png", "has 6 MB; an image may have 5 MiB"),
    ],
)  # fmt: skip
def test_images_that_are_refused(data: bytes, media_type: str, said: str) -> None:
    assert sent(data, media_type) == [f"data: {said}"]


def test_an_image_of_the_most_pixels() -> None:
    assert sent(png(8000, 8)) == []


def test_an_image_that_is_large_only_in_base64() -> None:
    assert sent(png(more=5_000_000)) == ["~data: has 6.7 MB in base64; 5 MiB may be the most"]


@pytest.mark.parametrize("data", ["data:image/png;base64,iVBORw0KGgo=", "no base64!", "abc"])
def test_what_is_no_base64(data: str) -> None:
    assert sent(data) == ["data: is not base64"]


@pytest.mark.parametrize("media_type", ["image/svg+xml", "", "image/jpg", "application/pdf", 3])
def test_media_types_that_are_not_taken(media_type: Any) -> None:
    assert sent(png(), media_type) == [f"media_type: {str(media_type)!r} is not taken"]


def test_a_media_type_that_is_missing() -> None:
    source = {"type": "base64", "data": b64encode(png()).decode()}
    assert told(messages=[turn({"type": "image", "source": source})]) == [f"{PLACE}.media_type: is missing"]


def document(data: bytes, **more: Any) -> list[str]:
    return sent(data, "application/pdf", "document", **more)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pdf(locked=True), "data: is a PDF with a password"),
        (HTML, "data: is an HTML page; media_type says application/pdf"),
        (png(), "data: is a PNG; media_type says application/pdf"),
        (
            b"PK\3\4 docx",
            "data: is a zip archive, as Office documents are too; media_type says application/pdf",
        ),
        (b"", "data: is empty"),
        (pdf(101), "data: has 101 pages; claude-haiku-4-5 takes 100"),
        (pdf(0), "data: is a PDF without a page"),
        (b"%PDF-1.7\nnothing", "~data: is a PDF that cannot be read here; it may be damaged"),
    ],
)
def test_documents_that_are_refused(data: bytes, said: str) -> None:
    assert document(data) == [said]


@pytest.mark.parametrize("packed", [False, True])
def test_documents_that_are_taken(packed: bool) -> None:
    assert document(pdf(100, "Hello.", packed=packed)) == []
    assert document(pdf(101, packed=packed), model="claude-opus-5") == []
    assert document(pdf(601, packed=packed), model="claude-opus-5") == [
        "data: has 601 pages; a request may have 600"
    ]


def test_pages_are_counted_over_the_request() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": b64encode(pdf(60)).decode()}
    said = "makes it 120 pages in all; claude-haiku-4-5 takes 100"
    assert told(messages=[turn(*[{"type": "document", "source": source}] * 3)]) == [
        f"messages.0.content.1.source.data: {said}"
    ]
