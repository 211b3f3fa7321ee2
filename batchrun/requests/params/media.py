"""The bytes of images and PDFs against what is said of them (api-facts §3.2a).

Messages begin with a verb: what they are said of is the file where there is one, else the value's path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchrun.media.kinds import IMAGES, NAMES, PDF
from batchrun.media.look import Look, look_at
from batchrun.requests.params.base import Call, Dynamic, ParamProblem, Steps
from batchrun.requests.params.walk import blocks_of
from batchrun.safetext import plain
from batchrun.units import format_size

MOST_IMAGE_BYTES = 5 << 20
MOST_SIDE = 8_000
"""Pixels."""
MOST_PAGES, MOST_PAGES_SMALL_WINDOW = 600, 100
_SMALL_WINDOW = 200_000
"""Models that read no more than this take fewer pages."""

_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}


def media(call: Call) -> Iterator[ParamProblem]:
    """Every image and document that is sent as base64."""
    pages = 0
    for path, block in blocks_of(call):
        source = block.get("source")
        if block.get("type") not in ("image", "document") or not isinstance(source, Mapping):
            continue
        if source.get("type") != "base64":
            continue
        is_image = block["type"] == "image"
        yield from _media_type(source, (*path, "source"), IMAGES if is_image else (PDF,))
        data, here = source.get("data"), (*path, "source", "data")
        if data is None or not isinstance(data, str | Dynamic):
            yield ParamProblem(here, "must be the bytes, in base64", "{$base64: path} of a spec puts them in")
        elif isinstance(data, str):
            look = look_at(data)
            yield from _bytes(data, look, source.get("media_type"), here, is_image=is_image)
            if not is_image and look.kind == PDF and look.pages:
                pages += look.pages
                yield from _pages(look.pages, pages, here, call)


def _media_type(
    source: Mapping[str, object], path: Steps, allowed: tuple[str, ...]
) -> Iterator[ParamProblem]:
    said, here = source.get("media_type"), (*path, "media_type")
    if isinstance(said, Dynamic) or said in allowed:
        return
    known = f"one of {', '.join(allowed)}" if len(allowed) > 1 else f"must be {allowed[0]}"
    if said is None:
        yield ParamProblem(here, "is missing", known)
    else:
        wanted = _ALIASES.get(said) if isinstance(said, str) else None
        yield ParamProblem(
            here, f"{plain(str(said), 80)!r} is not taken", f"write {wanted}" if wanted else known
        )


def _bytes(data: str, look: Look, said: object, path: Steps, *, is_image: bool) -> Iterator[ParamProblem]:
    allowed = IMAGES if is_image else (PDF,)
    if not data:
        yield ParamProblem(path, "is empty", "put the file in its place, or take the row out of the data")
    elif not look.base64:
        prefixed = data.startswith("data:")
        hint = "leave out what stands in front of the comma, 'data:…;base64,'" if prefixed else ""
        yield ParamProblem(path, "is not base64", hint)
    elif look.kind not in allowed:
        claimed = f"; media_type says {plain(said, 80)}" if isinstance(said, str) and said in allowed else ""
        yield ParamProblem(path, f"is {look.name}{claimed}", _instead(look, is_image=is_image))
    elif isinstance(said, str) and said in allowed and said != look.kind:
        yield ParamProblem(path, f"is {look.name}; media_type says {said}", f"write {look.kind}")
    elif is_image:
        yield from _image(data, look, path)
    else:
        yield from _pdf(look, path)


def _instead(look: Look, *, is_image: bool) -> str:
    if look.kind == "text/lfs":
        return "fetch it with `git lfs pull`"
    if look.kind in ("text/html", "text/xml", "application/json"):
        return "a page that says what went wrong, perhaps: download the file again"
    if is_image:
        return "send it as a block of type document" if look.kind == PDF else "save it as JPEG or PNG"
    return "send it as a block of type image" if look.kind in IMAGES else "save it as PDF, or send its text"


def _image(data: str, look: Look, path: Steps) -> Iterator[ParamProblem]:
    if look.cut:
        yield ParamProblem(path, "is cut short: its end is missing", "download or copy it again")
    if look.size > MOST_IMAGE_BYTES:
        message = f"has {format_size(look.size)}; an image may have 5 MiB"
        yield ParamProblem(path, message, "save it smaller: the model sees no more of it")
    elif len(data) > MOST_IMAGE_BYTES:
        message = f"has {format_size(len(data))} in base64; 5 MiB may be the most"
        yield ParamProblem(path, message, "save it smaller: the model sees no more of it", warning=True)
    if max(look.width, look.height) > MOST_SIDE:
        message = f"is {look.width:,} × {look.height:,} pixels; the most is {MOST_SIDE:,} a side"
        yield ParamProblem(path, message, "save it smaller: the model sees no more of it")
    if not look.cut and not (look.width and look.height):
        yield ParamProblem(path, f"is {NAMES[look.kind]} whose size cannot be read", warning=True)


def _pdf(look: Look, path: Steps) -> Iterator[ParamProblem]:
    if look.locked:
        yield ParamProblem(path, "is a PDF with a password", "save it without one")
    elif look.pages is None:
        hint = "open it and save it anew if the API refuses it"
        yield ParamProblem(path, "is a PDF that cannot be read here; it may be damaged", hint, warning=True)
    elif not look.pages:
        yield ParamProblem(path, "is a PDF without a page", "take it out of the data")


def _pages(own: int, together: int, path: Steps, call: Call) -> Iterator[ParamProblem]:
    small = call.facts is not None and call.facts.context <= _SMALL_WINDOW
    most = MOST_PAGES_SMALL_WINDOW if small else MOST_PAGES
    if together > most >= together - own:
        reader = call.model if small else "a request"
        verb = "takes" if small else "may have"
        message = f"has {own:,} pages; {reader} {verb} {most}"
        if together > own:
            message = f"makes it {together:,} pages in all; {reader} {verb} {most}"
        yield ParamProblem(path, message, "split it, a part a row")
