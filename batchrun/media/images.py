"""How large an image is, and whether it is all there."""

from __future__ import annotations

from io import BytesIO

from batchrun.media import kinds


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height in pixels; zeros where the header does not say."""
    import imagesize  # only for who sends images

    width, height = imagesize.get(BytesIO(data), exif_rotation=False)
    return max(int(width), 0), max(int(height), 0)


def is_cut(data: bytes, kind: str) -> bool:
    """Whether the end is surely missing: each format says where it ends. False for kinds not known here."""
    match kind:
        case kinds.PNG:
            return _png_is_cut(data)
        case kinds.JPEG:
            scan = data.find(b"\xff\xda")  # a preview in front of it has an end of its own
            return scan < 0 or data.find(b"\xff\xd9", scan) < 0
        case kinds.WEBP:
            return len(data) < 12 or int.from_bytes(data[4:8], "little") + 8 > len(data)
        case kinds.GIF:
            return len(data) < 14 or b"\x3b" not in data[13:]
    return False


def _png_is_cut(data: bytes) -> bool:
    """A PNG is a chain of chunks: length, name, content, checksum."""
    at = 8
    while at + 12 <= len(data):
        name = data[at + 4 : at + 8]
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        if name == b"IEND":
            return at > len(data)
    return True
