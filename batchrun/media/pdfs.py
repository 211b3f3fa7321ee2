"""How many pages a PDF has, whether it is locked, and how much text its pages can show at most."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

MOST_TEXT = 4_000_000
"""Bytes of drawing instructions that are looked at. No model reads as much text."""

_FORMS_WITHIN_FORMS = 4
_LOCK = re.compile(rb"/Encrypt\s*(?:\d+\s+\d+\s+R|<<)")
"""What the trailer of a locked file has, also of one that cannot be read any further."""


@dataclass(frozen=True, slots=True)
class Pdf:
    """`pages` is None where it cannot be told. `text` bounds the bytes of text on all pages; None where nothing
    does."""

    pages: int | None = None
    locked: bool = False
    text: int | None = None


def read_pdf(data: bytes, *, most_pages: int = 1_000) -> Pdf:
    """What the PDF in `data` holds. Of more than `most_pages` the text is not looked at."""
    from pypdf import PdfReader  # only for who sends PDFs

    _silence()
    try:
        reader = PdfReader(BytesIO(data))
        if reader.is_encrypted:
            return Pdf(locked=True)
        pages = len(reader.pages)
    except Exception:  # a file from anywhere, read by others' code: whatever it trips over, it is not known
        return Pdf(locked=_LOCK.search(data) is not None)
    return Pdf(pages, text=_text_bound(reader) if pages <= most_pages else None)


def _silence() -> None:
    """It logs every slip that it finds in a file, for whoever listens; what matters is told here."""
    log = logging.getLogger("pypdf")
    if log.propagate:
        log.addHandler(logging.NullHandler())
        log.propagate = False


def _text_bound(reader: PdfReader) -> int | None:
    """The bytes of what draws the pages: a glyph takes a byte of it, and its place on the page some more."""
    total = 0
    try:
        for page in reader.pages:
            for size in _drawing(page):
                total += size
                if total > MOST_TEXT:
                    return None
    except Exception:  # as above
        return None
    return total


def _drawing(page: PageObject) -> Iterator[int]:
    contents = page.get_contents()
    yield len(contents.get_data()) if contents is not None else 0
    yield from _forms(page.get("/Resources"), _FORMS_WITHIN_FORMS)


def _forms(resources: Any, depth: int) -> Iterator[int]:
    """Drawings that a page takes in: text may stand in those alone."""
    found = resources.get_object() if resources is not None else {}
    objects = found.get("/XObject")
    for form in objects.get_object().values() if objects is not None and depth else ():
        form = form.get_object()
        if form.get("/Subtype") == "/Form":
            yield len(form.get_data())
            yield from _forms(form.get("/Resources"), depth - 1)
