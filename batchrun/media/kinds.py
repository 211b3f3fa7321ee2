"""The kind of a file by its first bytes, as far as people take one for an image or a PDF."""

from __future__ import annotations

import re

PDF = "application/pdf"
JPEG, PNG, GIF, WEBP = "image/jpeg", "image/png", "image/gif", "image/webp"
IMAGES = (JPEG, PNG, GIF, WEBP)
"""The images that the API takes (api-facts §3.2a)."""

NAMES = {
    JPEG: "a JPEG",
    PNG: "a PNG",
    GIF: "a GIF",
    WEBP: "a WebP",
    PDF: "a PDF",
    "image/heic": "a HEIC image",
    "image/avif": "an AVIF image",
    "image/bmp": "a BMP",
    "image/tiff": "a TIFF",
    "image/jxl": "a JPEG XL",
    "image/jp2": "a JPEG 2000",
    "image/x-icon": "an icon",
    "image/vnd.adobe.photoshop": "a Photoshop file",
    "image/svg+xml": "an SVG",
    "text/html": "an HTML page",
    "text/xml": "an XML document",
    "application/json": "JSON",
    "application/postscript": "PostScript",
    "application/zip": "a zip archive, as Office documents are too",
    "application/gzip": "gzip",
    "application/msword": "an old Office document",
    "video/mp4": "a video",
    "text/plain": "text",
    "text/lfs": "a pointer of Git LFS, and not the file itself",
    "": "of a kind that is not known",
}
"""How each kind is called when it is told."""

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\xff\x0a", "image/jxl"),
    (b"\0\0\0\x0cJXL ", "image/jxl"),
    (b"\0\0\0\x0cjP  ", "image/jp2"),
    (b"\0\0\x01\0", "image/x-icon"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"%!PS", "application/postscript"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"\xd0\xcf\x11\xe0", "application/msword"),
    (b"version https://git-lfs", "text/lfs"),
)
_HEIF = re.compile(rb"....ftyp(?:(heic|heix|heim|heis|hevc|hevx|mif1|msf1)|(avif|avis)|.{4})", re.DOTALL)
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")
_SVG = re.compile(rb"<svg[\s>]", re.IGNORECASE)
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|script|h1|p|div)\b", re.IGNORECASE)
_CONTROL = bytes(set(range(32)) - {9, 10, 12, 13, 27})
_HEADER_WITHIN = 1024
"""Readers of PDFs look for its header in the first kilobyte, and so do we."""


def kind_of(data: bytes) -> str:
    """The media type that the bytes show; "" for none that is known, and for no bytes at all."""
    for beginning, kind in _BEGINNINGS:
        if data.startswith(beginning):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    if found := _HEIF.match(data[:12]):
        return "image/heic" if found[1] else "image/avif" if found[2] else "video/mp4"
    return _markup_or_text(data[: 2 * _HEADER_WITHIN])


def _markup_or_text(head: bytes) -> str:
    if b"%PDF-" in head[:_HEADER_WITHIN]:
        return PDF
    if _MARKUP.match(head):
        if _SVG.search(head):
            return "image/svg+xml"
        return "text/html" if _HTML.search(head) else "text/xml"
    if head.lstrip()[:1] in (b"{", b"["):
        return "application/json"
    return "text/plain" if head and head.translate(None, _CONTROL) == head else ""
