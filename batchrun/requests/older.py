"""The `params` of requests as the libraries of other days spelled them: under their keys stand answers that are paid.

Nearly always there are none: a request has to hold a number of 1e16 or more, or what a template's `tojson` made.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from batchrun.jsonbytes import before, has_large
from batchrun.model import FromFile, Node, Template
from batchrun.requests.rendering import ReadFile, Renderer
from batchrun.templates.compiled import Compiled, Values, compile_template
from batchrun.templates.spelling import BEFORE, OURS


class Older:
    """Of one job; `request` is None where rows are whole requests."""

    def __init__(self, request: Mapping[str, Node] | None, read_file: ReadFile) -> None:
        self._request, self._read_file = request, read_file

    def in_text(self, text: bytes) -> bool:
        """Whether requests that have `text` of their rows may have been spelled otherwise."""
        return self._everywhere or (self._logic and has_large(text))

    def params(self, values: Values, params: bytes) -> list[bytes]:
        """Every other spelling of `params`, which are made of `values`."""
        if self._request is None:
            return [other] if (other := before(params)) != params else []
        today = self._today
        if not (self._everywhere or today.has_media or has_large(params)):
            return []
        text = today.without_media(values)  # base64 is full of what looks like 5e+3
        others = (r(values).params for r in self._renderers if r.without_media(values) != text)
        return list(dict.fromkeys(others))

    @cached_property
    def _today(self) -> Renderer:
        return Renderer(self._request or {}, self._read_file, OURS)

    @cached_property
    def _renderers(self) -> list[Renderer]:
        return [Renderer(self._request or {}, self._read_file, spelling) for spelling in BEFORE]

    @cached_property
    def _templates(self) -> list[Compiled]:
        return [compile_template(template) for template in _templates_in(self._request or {})]

    @cached_property
    def _logic(self) -> bool:
        """Whether a template can make numbers of text."""
        return any(compiled.logic for compiled in self._templates)

    @cached_property
    def _everywhere(self) -> bool:
        """Whether the spec itself has what was spelled otherwise."""
        used = any(compiled.logic and "tojson" in compiled.template.source for compiled in self._templates)
        return used or has_large(self._today.same)


def _templates_in(node: Node) -> list[Template]:
    match node:
        case Template():
            return [node]
        case FromFile():
            return [node.path]
        case Mapping():
            return [found for part in node.values() for found in _templates_in(part)]
        case tuple():
            return [found for part in node for found in _templates_in(part)]
    return []
