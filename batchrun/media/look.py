"""One look at the bytes of an image or a PDF, kept for who asks again: the check, then the estimate."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from dataclasses import dataclass
from hashlib import blake2b

from batchrun.media.images import is_cut, size_of
from batchrun.media.kinds import IMAGES, NAMES, PDF, kind_of
from batchrun.media.pdfs import read_pdf

_KEPT = 512
"""Looks; each is some hundred bytes."""


@dataclass(frozen=True, slots=True)
class Look:
    """What some bytes are. `kind` is their media type, `size` counts them. `pages` and `text` (bytes of it, at
    most) are None where they cannot be told."""

    kind: str
    size: int
    width: int = 0
    height: int = 0
    cut: bool = False
    locked: bool = False
    pages: int | None = None
    text: int | None = None
    base64: bool = True
    """Whether it was base64 at all."""

    @property
    def name(self) -> str:
        """What it is called: "a JPEG"."""
        return NAMES.get(self.kind, self.kind)


NOT_BASE64 = Look("", 0, base64=False)
_looks: dict[bytes, Look] = {}


def look_at(data: str | bytes) -> Look:
    """A look at what `data` is the base64 of."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    name = blake2b(raw, digest_size=16).digest()
    if (found := _looks.get(name)) is None:
        if len(_looks) >= _KEPT:
            _looks.clear()
        found = _looks[name] = _look(raw)
    return found


def _look(raw: bytes) -> Look:
    try:
        data = b64decode(raw.translate(None, b"\r\n"), validate=True)
    except NotBase64:
        return NOT_BASE64
    kind = kind_of(data)
    if kind in IMAGES:
        width, height = size_of(data)
        return Look(kind, len(data), width, height, cut=is_cut(data, kind))
    if kind == PDF:
        pdf = read_pdf(data)
        return Look(kind, len(data), locked=pdf.locked, pages=pdf.pages, text=pdf.text)
    return Look(kind, len(data))
