"""Images and PDFs as the service sees them: by their bytes (api-facts §3.2a)."""

from __future__ import annotations

import re
import zlib
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping
from typing import Any

from batchrun.simulator.catalog import Model
from batchrun.simulator.checks_messages import ParamFault

_MOST_BYTES, _MOST_SIDE = 5 * 1024 * 1024, 8000
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_STREAM = re.compile(rb"stream\r?\n")
_MOST_INFLATED = 8_000_000


def check_media(params: Mapping[str, Any], model: Model) -> None:
    """Raises ParamFault. The shape of the blocks has been checked."""
    pages = 0
    for position, message in enumerate(params["messages"]):
        content = message["content"]
        for at, block in _sources(content, f"messages.{position}") if isinstance(content, list) else ():
            data = _decoded(block["source"]["data"], at)
            if block["type"] == "image":
                _check_image(data, block["source"]["media_type"], at)
            else:
                pages += _pages_of(data, block["source"].get("media_type"), at)
    most = 100 if model.context <= 200_000 else 600
    if pages > most:
        raise ParamFault(f"A maximum of {most} PDF pages may be provided.")


def _sources(blocks: list[Any], at: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for position, block in enumerate(blocks):
        here = f"{at}.content.{position}"
        source = block.get("source")
        if block["type"] in ("image", "document") and isinstance(source, dict):
            if source.get("type") == "base64":
                yield f"{here}.{block['type']}.source.base64", block
            if isinstance(source.get("content"), list):
                yield from _sources(source["content"], f"{here}.source")
        if block["type"] == "tool_result" and isinstance(block.get("content"), list):
            yield from _sources(block["content"], here)


def _decoded(text: str, at: str) -> bytes:
    try:
        return b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (NotBase64, ValueError):
        raise ParamFault(f"{at}: invalid base64 data") from None


# ---- images ------------------------------------------------------------------------------------


def _check_image(data: bytes, said: str, at: str) -> None:
    seen = _format(data)
    if seen is None:
        raise ParamFault(f"{at}.data: Could not process image")
    if seen != said:
        raise ParamFault(
            f"{at}.data: The image was specified using the {said} media type, but the image appears to be a"
            f" {seen} image"
        )
    if len(data) > _MOST_BYTES:
        raise ParamFault(f"{at}: image exceeds 5 MB maximum: {len(data)} bytes > {_MOST_BYTES} bytes")
    if not _ends(data, seen):
        raise ParamFault(f"{at}.data: Could not process image")
    if max(_sides(data, seen)) > _MOST_SIDE:
        raise ParamFault(
            f"{at}.data: At least one of the image dimensions exceed max allowed size: {_MOST_SIDE} pixels"
        )


def _format(data: bytes) -> str | None:
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def _ends(data: bytes, kind: str) -> bool:
    match kind:
        case "image/png":
            return b"IEND\xae\x42\x60\x82" in data
        case "image/jpeg":
            return b"\xff\xd9" in data[data.find(b"\xff\xda") :] and b"\xff\xda" in data
        case "image/gif":
            return b";" in data[13:]
    return int.from_bytes(data[4:8], "little") + 8 <= len(data)


def _sides(data: bytes, kind: str) -> tuple[int, int]:
    """Width and height; zeros where the header is of a form that is not known here."""
    match kind:
        case "image/png":
            return _big(data[16:20]), _big(data[20:24])
        case "image/gif":
            return _little(data[6:8]), _little(data[8:10])
        case "image/jpeg":
            return _jpeg_sides(data)
    chunk = data[12:16]
    if chunk == b"VP8X":
        return _little(data[24:27]) + 1, _little(data[27:30]) + 1
    if chunk == b"VP8L":
        bits = _little(data[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return _little(data[26:28]) & 0x3FFF, _little(data[28:30]) & 0x3FFF


def _jpeg_sides(data: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        if data[at + 1] in _FRAMES:
            return _big(data[at + 7 : at + 9]), _big(data[at + 5 : at + 7])
        at += 2 + max(2, _big(data[at + 2 : at + 4]))
    return 0, 0


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


# ---- PDFs --------------------------------------------------------------------------------------


def _pages_of(data: bytes, said: object, at: str) -> int:
    if said != "application/pdf":
        raise ParamFault(f"{at}.media_type: Input should be 'application/pdf'")
    if b"%PDF-" not in data[:1024]:
        raise ParamFault(f"{at}: The PDF specified was not valid.")
    if re.search(rb"/Encrypt\b", data):
        raise ParamFault(f"{at}: The PDF specified is password protected.")
    return len(_PAGE.findall(data)) + sum(len(_PAGE.findall(inner)) for inner in _object_streams(data))


def _object_streams(data: bytes) -> Iterator[bytes]:
    """What is compressed in it: newer files keep the list of their pages there."""
    for begin in _STREAM.finditer(data):
        if b"/ObjStm" in data[max(0, begin.start() - 300) : begin.start()]:
            try:
                yield zlib.decompressobj().decompress(data[begin.end() :], _MOST_INFLATED)
            except zlib.error:
                continue
