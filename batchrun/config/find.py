"""Where the operator's configuration lies, and whether its files can be trusted (docs/configuration.md).

The project's `batchrun.toml` is the first one upward from the spec's folder, but never one in a watched folder or
below: what is dropped there is not the operator's word. The user's is in the configuration folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from batchrun.config import layers
from batchrun.config.layers import Layer, Setting
from batchrun.config.values import CREDENTIAL, Config
from batchrun.errors import BatchrunError, ConfigError
from batchrun.fs import ownership
from batchrun.fs.confine import open_regular, without_links
from batchrun.fs.files import disk_error

NAME = "batchrun.toml"
EXPLICIT = "BATCHRUN_CONFIG"
"""Names the project's file, or is empty for none: then nothing is looked for."""

_MAX_KEY = 4096


@dataclass(frozen=True, slots=True)
class Found:
    """A Config and the files it was read from. `ignored` stand in a watched folder."""

    config: Config
    files: tuple[Path, ...] = ()
    ignored: tuple[Path, ...] = ()


def load_config(
    folder: Path, *, environ: Mapping[str, str] = os.environ, watched: Sequence[Path] = ()
) -> Config:
    """The configuration for the specs of `folder`; `watched` are the folders in which specs are dropped.

    Raises BadConfig for what is wrong in a file or variable, ConfigError for a file that others can write.
    """
    return find_config(folder, environ=environ, watched=watched).config


def find_config(folder: Path, *, environ: Mapping[str, str], watched: Sequence[Path] = ()) -> Found:
    """As `load_config`, with the files."""
    project, ignored = _project_file(folder, environ, watched)
    user = _user_file(environ)
    files = tuple(path for path in (project, user) if path is not None)
    layers_of_files = [_read(path, environ) for path in files]
    config = layers.resolve([_environment(environ), *layers_of_files])
    return Found(config, files, ignored)


# ---- finding -----------------------------------------------------------------------------------


def _project_file(
    folder: Path, environ: Mapping[str, str], watched: Sequence[Path]
) -> tuple[Path | None, tuple[Path, ...]]:
    if EXPLICIT in environ:
        named = environ[EXPLICIT]
        return (Path(named).absolute() if named else None), ()
    drops = [drop.resolve() for drop in watched]
    start, ignored = without_links(folder), list[Path]()
    for candidate in (start, *start.parents):
        path = candidate / NAME
        if not os.path.lexists(path):
            continue
        if not any(candidate.is_relative_to(drop) for drop in drops):
            return path, tuple(ignored)
        ignored.append(path)
    return None, tuple(ignored)


def _user_file(environ: Mapping[str, str]) -> Path | None:
    for path in _user_files(environ):
        return path if os.path.lexists(path) else None
    return None


def _user_files(environ: Mapping[str, str]) -> Iterator[Path]:
    base = environ.get("XDG_CONFIG_HOME", "")
    if base.startswith("/"):  # the specification: a relative one is to be ignored
        yield Path(base, "batchrun", NAME)
    if home := environ.get("HOME"):
        yield Path(home, ".config", "batchrun", NAME)


# ---- reading -----------------------------------------------------------------------------------


def _read(path: Path, environ: Mapping[str, str]) -> Layer:
    # A file that the operator names may be a link, as container volumes make them; a found one may not.
    named = EXPLICIT in environ and path == Path(environ[EXPLICIT]).absolute()
    real = without_links(path) if named else path
    if named and not os.path.lexists(real):
        raise ConfigError(
            f"there is no file {path}", hint=f"{EXPLICIT} names it; empty it stands for no file at all"
        )
    if fault := ownership.fault_of_file(real):
        raise ConfigError(
            f"{fault}; so {path.name} may not be yours, and is not read",
            where=str(path),
            hint=f"take the right to write from others (chmod go-w), move it away, or set {EXPLICIT}"
            " to the file that counts (empty: none)",
        )
    try:
        with open_regular(real) as stream:
            data = stream.read(layers.MAX_BYTES + 1)
    except OSError as error:
        raise disk_error(error, path, "read") from error
    except BatchrunError as error:
        raise ConfigError(str(error), where=str(path)) from error
    if len(data) > layers.MAX_BYTES:
        raise ConfigError(f"{path.name} is larger than 1 MiB", where=str(path))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("not UTF-8", where=f"{path}:{line}", hint="save it as UTF-8") from None
    return layers.from_toml(text, path, environ)


def _environment(environ: Mapping[str, str]) -> Layer:
    layer = layers.from_environment(environ)
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if folder and "key_file" not in layer:
        credential = Path(folder, CREDENTIAL)
        if credential.is_file():
            return {**layer, "key_file": Setting(credential, "CREDENTIALS_DIRECTORY")}
    return layer


# ---- the key -----------------------------------------------------------------------------------


def secret_of(path: Path, what: str, environ: Mapping[str, str]) -> str:
    """The one line of a file that holds a secret. Raises ConfigError, which never repeats what is in it, also
    when anybody but the owner can read the file."""
    hint = f"{what} names it"
    if str(path).startswith("$"):
        raise ConfigError(
            f"there is no {path}: CREDENTIALS_DIRECTORY is not set",
            hint=f"{hint}; systemd sets it in a service",
        )
    try:
        real = without_links(path)
        with open_regular(real) as stream:
            about = os.fstat(stream.fileno())
            data = stream.read(_MAX_KEY + 1)
    except (OSError, BatchrunError) as error:
        raise ConfigError(f"cannot read the secret: {error}", where=str(path), hint=hint) from None
    if fault := _fault_of_secret(real, about, environ):
        hint = f"{hint}; chmod 600 {path}"
        if about.st_uid == 0 != os.geteuid():
            hint += "; in a container, mount it below /run/secrets, or for a group of ours with mode 0440 (fsGroup)"
        raise ConfigError(fault, where=str(path), hint=hint)
    text = data.decode("utf-8", "replace").strip()
    if not text or len(data) > _MAX_KEY or not (text.isascii() and text.isprintable() and " " not in text):
        raise ConfigError(
            "this file holds no secret" if not text else "a secret is one line of visible characters",
            where=str(path),
            hint=hint,
        )
    return text


def _fault_of_secret(real: Path, found: os.stat_result, environ: Mapping[str, str]) -> str:
    groups = {os.getegid(), *os.getgroups()}
    fault = ownership.fault_of_secret(found, real, euid=os.geteuid(), groups=groups)
    folder = environ.get("CREDENTIALS_DIRECTORY")
    with suppress(OSError):
        if fault and folder and real.is_relative_to(Path(folder).resolve()):
            # systemd grants by ACL, which shows as the group's bits.
            return fault if found.st_mode & stat.S_IRWXO else ""
    return fault


def environment_of(config: Config, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment by which a client reaches the API: `environ`, with what the configuration says.
    Reads the key's file. Raises ConfigError."""
    found = {**environ, "ANTHROPIC_BASE_URL": config.base_url}
    if config.workspace_id:
        found["ANTHROPIC_WORKSPACE_ID"] = config.workspace_id
    if config.key_file is not None:
        for name in layers.SECRETS:
            found.pop(name, None)
        found["ANTHROPIC_API_KEY"] = secret_of(config.key_file, "key_file", environ)
    return found
