"""Images and PDFs, made byte by byte: small, whole, and wrong in the one way that a test asks for."""

from __future__ import annotations

import struct
import zlib


def png(width: int = 8, height: int = 8, more: int = 0) -> bytes:
    """A PNG of one color, of any size; `more` bytes of text in it, which nobody sees."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes((width + 7) // 8)) * height, 9)
    note = _chunk(b"tEXt", b"n\0" + b"x" * more) if more else b""
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + note + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def gif(width: int = 8, height: int = 8) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return screen + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00;"


def jpeg(width: int = 8, height: int = 8) -> bytes:
    """The segments that say what a JPEG is; the scan holds next to nothing."""
    frame = b"\x08" + struct.pack(">HH", height, width) + b"\x01\x01\x11\x00"
    scan = b"\x01\x01\x00\x00\x3f\x00"
    return (
        b"\xff\xd8"
        + _segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")
        + _segment(0xC0, frame)
        + _segment(0xDA, scan)
        + b"\x54\xff\xd9"
    )


def _segment(mark: int, data: bytes) -> bytes:
    return bytes((0xFF, mark)) + struct.pack(">H", len(data) + 2) + data


def webp(width: int = 8, height: int = 8) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    lossless = b"\x2f" + struct.pack("<I", bits) + b"\0\0\0"
    inner = b"WEBP" + b"VP8L" + struct.pack("<I", len(lossless)) + lossless
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def heic() -> bytes:
    return b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)


HTML = b"<!DOCTYPE html><html><body>404 not found</body></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'


def pdf(pages: int = 1, text: str = "", *, packed: bool = False, locked: bool = False) -> bytes:
    """A PDF with `text` on every page. `packed`: its objects in compressed streams, as newer ones have them."""
    from io import BytesIO

    from pypdf import PdfReader, PdfWriter

    plain = _plain_pdf(pages, text)
    if not packed and not locked:
        return plain
    writer = PdfWriter(clone_from=PdfReader(BytesIO(plain)))
    if locked:
        writer.encrypt("secret", algorithm="RC4-128")
        out = BytesIO()
        writer.write(out)
        return out.getvalue()
    return _packed_pdf(pages, text)


def _objects(pages: int, text: str, *, compressed: bool) -> list[bytes]:
    drawing = b"BT /F1 12 Tf 72 720 Td (" + text.encode("latin-1") + b") Tj ET" if text else b""
    data = zlib.compress(drawing, 9) if compressed else drawing
    filter_ = b"/Filter/FlateDecode" if compressed else b""
    kids = b" ".join(b"%d 0 R" % n for n in range(5, 5 + pages))
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 3 0 R/Resources<</Font<</F1 4 0 R>>>>>>"
    return [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%b]>>" % (pages, kids),
        b"<</Length %d%b>>\nstream\n%b\nendstream" % (len(data), filter_, data),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        *[page] * pages,
    ]


def _plain_pdf(pages: int, text: str) -> bytes:
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(_objects(pages, text, compressed=False), 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start, size = len(out), len(places) + 1
    trailer = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, start)
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer


def _packed_pdf(pages: int, text: str) -> bytes:
    """All objects but the drawing in one object stream, and the table of them in another stream."""
    objects = _objects(pages, text, compressed=True)
    inside = [(n, body) for n, body in enumerate(objects, 1) if n != 3]
    index, bodies = b"", b""
    for number, body in inside:
        index += b"%d %d " % (number, len(bodies))
        bodies += body + b" "
    held = zlib.compress(index + bodies, 9)
    stream, table = len(objects) + 1, len(objects) + 2
    out, at = b"%PDF-1.5\n", {}
    at[3] = len(out)
    out += b"3 0 obj\n%b\nendobj\n" % objects[2]
    at[stream] = len(out)
    head = b"/Type/ObjStm/N %d/First %d/Filter/FlateDecode/Length %d" % (len(inside), len(index), len(held))
    out += b"%d 0 obj\n<<%b>>\nstream\n%b\nendstream\nendobj\n" % (stream, head, held)
    at[table] = start = len(out)
    order = {number: place for place, (number, _) in enumerate(inside)}
    rows = [struct.pack(">BIH", 0, 0, 65535)]
    for number in range(1, table + 1):
        if number in order:
            rows.append(struct.pack(">BIH", 2, stream, order[number]))
        else:
            rows.append(struct.pack(">BIH", 1, at[number], 0))
    packed = zlib.compress(b"".join(rows), 9)
    head = b"/Type/XRef/Size %d/W[1 4 2]/Root 1 0 R/Filter/FlateDecode/Length %d" % (table + 1, len(packed))
    out += b"%d 0 obj\n<<%b>>\nstream\n%b\nendstream\nendobj\n" % (table, head, packed)
    return out + b"startxref\n%d\n%%%%EOF" % start
