"""From the text of a batchrun.toml, or the environment, to a layer of settings; and from layers to a Config.

Everything that is wrong with a file is found in one pass, with its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from batchrun import units
from batchrun.config.values import KEYS, Config, Key, Kind, Value
from batchrun.errors import BadConfig, Problem
from batchrun.model import Hook, Json, Place

if TYPE_CHECKING:
    from batchrun.config.tomlmarks import Mark, Marks, Steps

MAX_BYTES = 1 << 20
SECRETS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
"""Variables that hold a credential."""

T = TypeVar("T")

_SECTIONS = {key.name.partition(".")[0] for key in KEYS if "." in key.name}
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_URL = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")


class Setting(NamedTuple):
    """A value and where it was set."""

    value: Value
    origin: str


Layer: TypeAlias = Mapping[str, Setting]
"""Settings by the name of their key."""


def resolve(layers: Sequence[Layer]) -> Config:
    """The first layer that has a key decides it."""
    values: dict[str, Value] = {}
    origins = {}
    for key in KEYS:
        if found := next((layer[key.name] for layer in layers if key.name in layer), None):
            values[key.field], origins[key.name] = found
    return Config(**values, origins=origins)  # type: ignore[arg-type]


# ---- the environment ---------------------------------------------------------------------------


def from_environment(environ: Mapping[str, str]) -> Layer:
    """What the variables say; an empty one says nothing. Raises BadConfig."""
    layer: dict[str, Setting] = {}
    problems = []
    for key in KEYS:
        name = next((n for n in (key.variable, key.also) if n and environ.get(n)), None)
        if name is None:
            continue
        try:
            value = read_value(key.kind, _from_text(key.kind, environ[name]), Path(), environ)
        except ValueError as error:
            problems.append(Problem(str(error), name))
        else:
            layer[key.name] = Setting(value, name)
    if problems:
        raise BadConfig(problems)
    if "key_file" not in layer and (secret := next((n for n in SECRETS if environ.get(n)), None)):
        layer["key_file"] = Setting(None, secret)  # the key itself: no file is asked
    return layer


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """`BATCHRUN_*` that nobody reads: probably a typo. Those of a hook's event are none."""
    known = {key.variable for key in KEYS} | {"BATCHRUN_CONFIG"}
    mine = (n for n in environ if n.startswith("BATCHRUN_") and not n.startswith("BATCHRUN_EVENT"))
    return sorted(name for name in mine if name not in known)


def _from_text(kind: Kind, text: str) -> Json:
    """A variable's text as the TOML value that it stands for; the text itself where it is none."""
    match kind:
        case Kind.FLAG:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(
                text.lower(), text
            )
        case Kind.USD if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
            return float(text)
        case Kind.COUNT | Kind.WORKERS if re.fullmatch(r"\d{1,18}", text, re.ASCII):
            return int(text)
        case Kind.PATHS:
            return [part for part in text.split(":") if part]
    return text


# ---- a file ------------------------------------------------------------------------------------


def from_toml(text: str, file: Path, environ: Mapping[str, str]) -> Layer:
    """The settings of the file with this text. Its relative paths are seen from its folder; of `environ`,
    `~/` and `$CREDENTIALS_DIRECTORY/` take what they stand for. Raises BadConfig with all problems."""
    # Here: most people have no such file, and every command looks for one.
    import tomllib

    from batchrun.config.tomlmarks import find_marks

    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig([_syntax_problem(str(error), text, file)]) from None
    except RecursionError:
        raise BadConfig([Problem("not valid TOML: nested too deep", str(file))]) from None
    reader = _Reader(file, find_marks(text), environ)
    reader.table(value, ())
    if reader.problems:
        ordered = sorted(reader.problems, key=lambda found: found[0])
        raise BadConfig([problem for _, problem in ordered])
    return reader.layer


def _syntax_problem(message: str, text: str, file: Path) -> Problem:
    lines = text.split("\n")
    line, column = len(lines), len(lines[-1]) + 1
    if at := _AT.search(message):
        message = message[: at.start()]
        line, column = (int(at[1]), int(at[2])) if at[1] else (line, column)
    return Problem(f"not valid TOML: {message[:1].lower()}{message[1:]}", str(Place(str(file), line, column)))


@dataclass(slots=True)
class _Reader:
    file: Path
    marks: Marks
    environ: Mapping[str, str]
    layer: dict[str, Setting] = field(default_factory=dict)
    problems: list[tuple[Mark, Problem]] = field(default_factory=list)

    def table(self, table: Mapping[str, Json], above: Steps) -> None:
        prefix = "".join(f"{step}." for step in above)
        known = {key.name: key for key in KEYS}
        for name, value in table.items():
            steps = (*above, name)
            if key := known.get(prefix + name):
                self._key(key, value, steps)
            elif not above and name in _SECTIONS:
                if isinstance(value, dict):
                    self.table(value, steps)
                else:
                    self._tell(self.marks.of_value(steps), f"must be a table, not {_shown(value)}", steps)
            else:
                message, hint = _about_unknown(name, prefix)
                self._tell(self.marks.of_key(steps), message, above, hint)

    def _key(self, key: Key, value: Json, steps: Steps) -> None:
        mark = self.marks.of_value(steps)
        origin = str(Place(str(self.file), mark.line, mark.column))
        if key.kind is Kind.HOOKS:
            self.layer[key.name] = Setting(tuple(self._hooks(value, steps)), origin)
            return
        try:
            found = read_value(key.kind, value, self.file.parent, self.environ)
        except ValueError as error:
            self._tell(mark, str(error), steps)
        else:
            self.layer[key.name] = Setting(found, origin)

    def _hooks(self, value: Json, steps: Steps) -> Iterator[Hook]:
        if not isinstance(value, list):
            self._tell(self.marks.of_value(steps), f"must be {Kind.HOOKS.value}, not {_shown(value)}", steps)
            return
        for index, item in enumerate(value):
            here, mark = (*steps, index), self.marks.of_value((*steps, index))
            try:
                hook = read_hook(item)
            except ValueError as error:
                self._tell(mark, str(error), here)
            else:
                where = str(Place(str(self.file), mark.line, mark.column))
                yield Hook(*hook, where=where, folder=self.file.parent, operators=True)

    def _tell(self, mark: Mark, message: str, steps: Steps, hint: str = "") -> None:
        where = str(Place(str(self.file), mark.line, mark.column))
        self.problems.append((mark, Problem(message, where, hint, _dotted(steps))))


def _dotted(steps: Steps) -> str:
    return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps).removeprefix(".")


def _about_unknown(name: str, prefix: str) -> tuple[str, str]:
    """What is wrong with a key that is none, and what was probably meant."""
    import difflib  # only for who misspelt a key

    message, whole = f"unknown key '{name}'", prefix + name
    if name.lower() in ("api_key", "key", "token", "auth_token", "secret", "anthropic_api_key"):
        return f"'{name}': a secret has no place in this file", (
            "put it into a file of its own, chmod 600, and name that with key_file"
        )
    siblings = [key.name[len(prefix) :] for key in KEYS if key.name.startswith(prefix)]
    here = sorted({part.partition(".")[0] for part in siblings})
    if near := difflib.get_close_matches(name.replace("-", "_"), here, n=1, cutoff=0.7):
        return message, f"did you mean '{near[0]}'?"
    homes = [key.name for key in KEYS if key.name.rpartition(".")[2] == name.replace("-", "_")]
    if homes:
        section, _, key = homes[0].rpartition(".")
        return (
            message,
            f"{key} belongs {f'under [{section}]' if section else 'at the top, before any [table]'}",
        )
    if near := difflib.get_close_matches(whole, [key.name for key in KEYS], n=1, cutoff=0.6):
        return message, f"did you mean '{near[0]}'?"
    return message, f"known here: {', '.join(here)}"


# ---- values ------------------------------------------------------------------------------------


def read_value(kind: Kind, value: Json, folder: Path, environ: Mapping[str, str]) -> Value:
    """A value of a key that is no list of hooks. Raises ValueError saying what is wrong: 'must be …'."""
    match kind, value:
        case Kind.TEXT, str() if value and value.isprintable():
            return value
        case Kind.URL, str() if not url_fault(value):
            return value
        case Kind.URL, str():
            raise ValueError(url_fault(value))
        case Kind.PATH, str() if value and "\0" not in value:
            return _path(value, folder, environ)
        case Kind.PATHS, list() if all(isinstance(v, str) and v and "\0" not in v for v in value):
            return tuple(_path(str(v), folder, environ) for v in value)
        case Kind.FLAG, bool():
            return value
        case (Kind.USD | Kind.COUNT | Kind.WORKERS, bool()):
            pass
        case Kind.USD, int() | float() if 0 <= value < float("inf"):
            return float(value)
        case Kind.COUNT, int() if value >= 1:
            return value
        case Kind.WORKERS, int() if 1 <= value <= 64:
            return value
        case Kind.DURATION, str() if (seconds := _measure(units.duration, value)) is not None:
            return seconds
        case Kind.SIZE, str() if (size := _measure(units.size, value)) is not None:
            return size
    raise ValueError(f"must be {kind.value}, not {_shown(value)}")


def read_hook(value: Json) -> tuple[tuple[str, ...], str]:
    """The command, or the URL, of one entry of `on`. Raises ValueError saying what is wrong with it."""
    match value:
        case {"run": [*words], **rest} if not rest:
            argv = tuple(word for word in words if isinstance(word, str) and "\0" not in word)
            if argv and argv[0] and len(argv) == len(words):
                return argv, ""
            raise ValueError('run must be a command and its arguments: ["command", "argument"]')
        case {"post": str(url), **rest} if not rest:
            if fault := url_fault(url, query=True):
                raise ValueError(f"post {fault}")
            return (), url
        case {"run": str(), **rest} if not rest:
            raise ValueError('run must be a list, ["command", "argument"]: no shell reads it')
    raise ValueError('must be {run = ["command", "argument"]} or {post = "https://…"}')


def url_fault(url: str, *, query: bool = False) -> str:
    """What is wrong with an address to which something is sent, or "". Never repeats what may be a secret."""
    bare = url.partition("?")[0] if query else url
    if not url.isascii() or not _URL.fullmatch(bare) or re.search(r"[\s\\#]", url):
        return f"must be {Kind.URL.value}"
    authority = bare.split("/")[2]
    if "@" in authority:
        return "must not hold a user name or password"
    host = re.sub(r":\d*$", "", authority).lower()
    if url.startswith("http:") and not re.fullmatch(r"localhost|127(\.\d+){3}|\[::1\]", host):
        return "must be https; http is for loopback hosts"
    return ""


def origin_of(url: str) -> str:
    """`https://host:port` of an address: what can be shown of it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{re.split('[/?]', rest)[0]}"


def _path(text: str, folder: Path, environ: Mapping[str, str]) -> Path:
    for sign, name in (("~/", "HOME"), ("$CREDENTIALS_DIRECTORY/", "CREDENTIALS_DIRECTORY")):
        if text.startswith(sign) and (stands_for := environ.get(name)):
            return Path(stands_for, text.removeprefix(sign))
        if text.startswith(sign):  # left as it is: whoever opens it says what is missing
            return Path(text)
    return folder / text


def _measure(read: Callable[[str], T], text: str) -> T | None:
    try:
        return read(text)
    except ValueError:
        return None


def _shown(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f"the string '{value if len(value) <= 40 else value[:40] + '…'}'"
        case dict():
            return "a table"
        case list():
            return "a list"
    return str(value)
