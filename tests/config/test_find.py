"""Which batchrun.toml counts, and which is not to be trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchrun.config.find import environment_of, find_config, load_config, secret_of
from batchrun.config.values import Config
from batchrun.errors import BadConfig, ConfigError

KEY = "sk-ant-api-EXAMPLE"


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """<tmp>/ops/drop/team, with a private user configuration in <tmp>/home."""
    folder = tmp_path / "ops" / "drop" / "team"
    folder.mkdir(parents=True)
    return folder


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def tries(number: int) -> str:
    return f"[hooks]\ntries = {number}\n"


def test_nothing_is_there(drop: Path) -> None:
    assert load_config(drop, environ={}) == Config()


def test_the_first_file_upward_then_the_users(drop: Path, tmp_path: Path) -> None:
    user = put(tmp_path / "home/.config/batchrun/batchrun.toml", tries(1) + "timeout = '1s'\n")
    environ = {"HOME": str(tmp_path / "home")}
    assert load_config(drop, environ=environ).hooks_tries == 1
    upper = put(tmp_path / "ops/batchrun.toml", tries(2))
    found = find_config(drop, environ=environ)
    assert (found.config.hooks_tries, found.config.hooks_timeout) == (2, 1.0)
    assert found.files == (upper, user)
    put(drop / "batchrun.toml", tries(3))  # the upper one is out now, whatever it says
    assert load_config(drop, environ=environ).hooks_tries == 3
    assert load_config(drop, environ={**environ, "BATCHRUN_HOOKS_TRIES": "4"}).hooks_tries == 4


def test_the_users_folder(tmp_path: Path) -> None:
    put(tmp_path / "x/batchrun/batchrun.toml", tries(7))
    home = {"HOME": str(tmp_path)}
    assert load_config(tmp_path, environ={**home, "XDG_CONFIG_HOME": f"{tmp_path}/x"}).hooks_tries == 7
    assert load_config(tmp_path, environ={**home, "XDG_CONFIG_HOME": "x"}).hooks_tries == 3


def test_a_named_file_in_place_of_the_projects(drop: Path, tmp_path: Path) -> None:
    put(drop / "batchrun.toml", tries(3))
    named = put(tmp_path / "etc/b.toml", tries(8))
    (tmp_path / "link.toml").symlink_to(named)
    for name in (named, tmp_path / "link.toml"):
        assert load_config(drop, environ={"BATCHRUN_CONFIG": str(name)}).hooks_tries == 8
    assert load_config(drop, environ={"BATCHRUN_CONFIG": ""}) == Config()
    with pytest.raises(ConfigError) as caught:
        load_config(drop, environ={"BATCHRUN_CONFIG": str(tmp_path / "gone.toml")})
    assert str(caught.value) == f"there is no file {tmp_path}/gone.toml"
    assert caught.value.hint == "BATCHRUN_CONFIG names it; empty it stands for no file at all"


# ---- what others may have written ---------------------------------------------------------------


def test_what_is_dropped_has_no_power(drop: Path, tmp_path: Path) -> None:
    """In a watched folder, and below it, ownership proves nothing: a file server may write for everybody."""
    watched = drop.parent
    dropped = [
        put(folder / "batchrun.toml", 'base_url = "https://evil.example"') for folder in (drop, watched)
    ]
    put(tmp_path / "ops/batchrun.toml", tries(2))
    found = find_config(drop, environ={}, watched=[watched])
    assert (found.config.base_url, found.config.hooks_tries) == ("https://api.anthropic.com", 2)
    assert list(found.ignored) == dropped


def test_a_watched_folder_by_another_name(drop: Path, tmp_path: Path) -> None:
    put(drop / "batchrun.toml", tries(9))
    (tmp_path / "link").symlink_to(drop.parent)
    assert load_config(drop, environ={}, watched=[tmp_path / "link"]) == Config()
    assert load_config(tmp_path / "link" / "team", environ={}, watched=[drop.parent]) == Config()


def test_every_watched_folder_is_left_out(drop: Path) -> None:
    put(drop.parent / "batchrun.toml", tries(9))
    assert load_config(drop, environ={}, watched=[drop, drop.parent]) == Config()


def test_what_others_can_write_is_refused(drop: Path) -> None:
    path = put(drop / "batchrun.toml", tries(9))
    path.chmod(0o646)
    with pytest.raises(ConfigError) as caught:
        load_config(drop, environ={})
    assert str(caught.value) == (
        f"{path} can be written by everybody; so batchrun.toml may not be yours, and is not read"
    )
    assert caught.value.where == str(path)
    path.chmod(0o644)
    drop.chmod(0o777)
    with pytest.raises(ConfigError, match="team can be written by everybody; so"):
        load_config(drop, environ={})
    assert load_config(drop, environ={"BATCHRUN_CONFIG": ""}) == Config()


def test_a_link_is_refused(drop: Path) -> None:
    put(drop / "real.toml", tries(9))
    (drop / "batchrun.toml").symlink_to("real.toml")
    with pytest.raises(ConfigError, match="is no regular file; so"):
        load_config(drop, environ={})


# ---- what cannot be read -----------------------------------------------------------------------


def test_bad_files(drop: Path) -> None:
    path = drop / "batchrun.toml"
    path.write_bytes(b"\xef\xbb\xbf[hooks]\ntries = 5\n")
    assert load_config(drop, environ={}).hooks_tries == 5
    path.write_bytes(b"# x\n# \xff\n")
    with pytest.raises(ConfigError) as caught:
        load_config(drop, environ={})
    assert (str(caught.value), caught.value.where) == ("not UTF-8", f"{path}:2")
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load_config(drop, environ={})
    path.write_text("nothing = 1")
    with pytest.raises(BadConfig) as bad:
        load_config(drop, environ={})
    assert bad.value.problems[0].where == f"{path}:1:1"


# ---- the key -----------------------------------------------------------------------------------


def secret(tmp_path: Path, data: bytes = KEY.encode() + b"\n", mode: int = 0o600) -> Path:
    path = tmp_path / "key"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_the_key_reaches_the_client_alone(tmp_path: Path) -> None:
    before = {"ANTHROPIC_AUTH_TOKEN": "other", "HTTPS_PROXY": "http://p"}
    config = Config(base_url="https://b.example", key_file=secret(tmp_path), workspace_id="w")
    assert environment_of(config, before) == {
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": "https://b.example",
        "ANTHROPIC_WORKSPACE_ID": "w",
        "HTTPS_PROXY": "http://p",
    }
    assert "ANTHROPIC_API_KEY" not in os.environ
    assert KEY not in repr(config)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601])
def test_a_key_that_others_can_read(tmp_path: Path, mode: int) -> None:
    path = secret(tmp_path, mode=mode)
    with pytest.raises(ConfigError) as caught:
        secret_of(path, "key_file", {})
    (problem,) = caught.value.problems
    assert (problem.message, problem.where) == ("others can read this secret", str(path))
    assert problem.hint == f"key_file names it; chmod 600 {path}"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "this file holds no secret"),
        (b" \n", "this file holds no secret"),
        (b"a b", "a secret is one line of visible characters"),
        (b"a\nb", "a secret is one line of visible characters"),
        (b"k\xff", "a secret is one line of visible characters"),
        (b"k" * 5000, "a secret is one line of visible characters"),
    ],
)
def test_a_file_that_holds_no_key(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        secret_of(secret(tmp_path, data), "key_file", {})
    assert str(caught.value) == message


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the secret: no such file"):
        secret_of(tmp_path / "gone", "key_file", {})
    with pytest.raises(
        ConfigError, match=r"there is no \$CREDENTIALS_DIRECTORY/k: CREDENTIALS_DIRECTORY is not"
    ):
        secret_of(Path("$CREDENTIALS_DIRECTORY/k"), "key_file", {})


def test_systemds_credential(tmp_path: Path, drop: Path) -> None:
    """By its default name, without another word; the group's bits are how its ACL shows."""
    credential = tmp_path / "anthropic-api-key"
    credential.write_text(KEY)
    credential.chmod(0o440)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    put(drop / "batchrun.toml", "key_file = 'elsewhere'")
    config = load_config(drop, environ=environ)
    assert (config.key_file, config.origin("key_file")) == (credential, "CREDENTIALS_DIRECTORY")
    assert environment_of(config, environ)["ANTHROPIC_API_KEY"] == KEY
    assert load_config(drop, environ={**environ, "ANTHROPIC_API_KEY": "k"}).key_file is None
    credential.chmod(0o444)
    with pytest.raises(ConfigError, match="others can read this secret"):
        environment_of(config, environ)
