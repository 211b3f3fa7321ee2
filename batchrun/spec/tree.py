"""The `request` of a spec as nodes: strings become templates, `{$row}`, `{$file}` and `{$base64}` what they name.

`passthrough` is merged in here, so that nobody after the spec knows of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from batchrun.errors import BatchrunError, DataError, MissingInput
from batchrun.fs.confine import confine, open_confined
from batchrun.fs.files import read_whole
from batchrun.model import FileFact, FromFile, FromRow, Json, Node, Place, Template
from batchrun.requests.params import DYNAMIC, Dynamic
from batchrun.spec.faults import Steps
from batchrun.spec.wording import MARKERS
from batchrun.spec.yamldoc import Document
from batchrun.templates.compiled import compile_template

MAX_FILE = 10 << 20
"""Bytes of a `$file`. One request may not be larger than some tens of MB in all (api-facts §5)."""

_PASSTHROUGH = "passthrough"


@dataclass(slots=True)
class RequestTree:
    """Builds nodes out of `document`, below `root`; what is wrong goes to the document's faults.

    `files` are the `$file`s that were read, absolute, in the order they were met; `facts` what was seen of them.
    """

    document: Document
    root: Path
    roots: Sequence[Path] = ()
    files: dict[Path, str] = field(default_factory=dict)
    facts: list[FileFact] = field(default_factory=list)

    def request(self, value: dict[str, Json]) -> dict[str, Node]:
        """The request with its passthrough merged in."""
        steps: Steps = ("request",)
        nodes = {key: self.node(item, (*steps, key)) for key, item in value.items() if key != _PASSTHROUGH}
        extra = value.get(_PASSTHROUGH)
        if isinstance(extra, dict):
            self._merge(nodes, extra, (*steps, _PASSTHROUGH))
        return nodes

    def template(self, text: str, steps: Steps) -> Template:
        """The string at `steps` as a template whose syntax has been checked."""
        return self._checked(Template(text, self.document.text_place(steps)), steps)

    def node(self, value: Json, steps: Steps) -> Node:
        match value:
            case str():
                return self.template(value, steps)
            case dict():
                marker = next((key for key in value if key in MARKERS), None)
                if marker is not None:
                    return self._marked(marker, value, steps)
                return {key: self.node(item, (*steps, key)) for key, item in value.items()}
            case list():
                return tuple(self.node(item, (*steps, index)) for index, item in enumerate(value))
        return value

    def where(self, path: Steps) -> Steps:
        """Where in the document a param stands: in the request, or in its passthrough."""
        known, steps = self.document.faults.values, ("request", *path)
        return steps if steps in known else self._in_passthrough(path, known) or steps

    @staticmethod
    def _in_passthrough(path: Steps, known: Mapping[Steps, object]) -> Steps | None:
        steps: Steps = ("request", _PASSTHROUGH, *path)
        return steps if steps in known else None

    # ---- passthrough ----

    def _merge(self, nodes: dict[str, Node], extra: dict[str, Json], steps: Steps) -> None:
        """Mappings merge; anything else that both have is refused: neither can be right to ignore."""
        for key, value in extra.items():
            here, present = (*steps, key), nodes.get(key)
            if key not in nodes:
                nodes[key] = self.node(value, here)
            elif isinstance(present, dict) and isinstance(value, dict):
                self._merge(present, value, here)
            else:
                self.document.faults.at_key(here, f"'{key}' already stands in the request", "keep one")

    # ---- $row, $file, $base64 ----

    def _marked(self, marker: str, value: dict[str, Json], steps: Steps) -> Node:
        faults, here = self.document.faults, (*steps, marker)
        name = value[marker]
        if faults.is_told(here):
            faults.excuse(steps)
            return None
        if len(value) > 1:
            faults.at_value(steps, f"{marker} stands alone in its mapping")
        elif not isinstance(name, str) or not name:
            what = "the name of a column" if marker == "$row" else "a path"
            faults.at_value(here, f"must be {what}")
        elif marker == "$row":
            return FromRow(name, self.document.text_place(here))
        elif marker == "$base64":
            return FromFile(self.template(name, here))
        elif (template := self._file(name, here)) is not None:
            return template
        faults.excuse(steps)
        return None

    def _file(self, name: str, steps: Steps) -> Template | None:
        try:
            text = self._read(name)
        except MissingInput:
            hint = f"paths are seen from the spec's folder, {self.root}"
            self.document.faults.no_file(steps, f"there is no file '{name}'", hint)
        except BatchrunError as error:
            self.document.faults.at_value(steps, str(error), error.hint)
        else:
            return self._checked(Template(text, Place(name, 1, 1)), steps, f"{name}: ")
        return None

    def _read(self, name: str) -> str:
        path = confine(name, root=self.root, roots=self.roots)
        if path in self.files:
            return self.files[path]
        with open_confined(path) as stream:
            data, fact = read_whole(stream, path, MAX_FILE)
        if len(data) > MAX_FILE:
            raise DataError(f"'{name}' is larger than 10 MiB")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            hint = "a binary file goes in with {$base64: path}"
            raise DataError(f"'{name}' is not UTF-8: byte {error.start}, line {line}", hint=hint) from None
        self.files[path] = text
        self.facts.append(fact)
        return text

    def _checked(self, template: Template, steps: Steps, file: str = "") -> Template:
        try:
            compile_template(template)
        except DataError as error:
            self.document.faults.at_value(steps, f"{file}{error}", error.hint)
        return template


def known_values(node: Node) -> object:
    """The part of a node that no row can change; DYNAMIC for the rest."""
    match node:
        case Template():
            return _known_text(node)
        case FromRow() | FromFile():
            return DYNAMIC
        case Mapping():
            return {key: known_values(value) for key, value in node.items()}
        case tuple():
            return [known_values(value) for value in node]
    return node


def _known_text(template: Template) -> str | Dynamic:
    try:
        compiled = compile_template(template)
    except DataError:
        return DYNAMIC
    if compiled.constant is not None:
        return compiled.constant
    return Dynamic(tail) if compiled.parts and (tail := compiled.parts[-1]) else DYNAMIC
