"""What a batchrun.toml and the environment say, what is wrong with them, and which of them wins."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from batchrun.config.layers import (
    Setting,
    from_environment,
    from_toml,
    read_hook,
    resolve,
    unknown_variables,
    url_fault,
)
from batchrun.config.values import KEYS, Config, Kind
from batchrun.errors import BadConfig
from batchrun.model import Hook, Json, Moment
from batchrun.spec import schema_text

FILE = Path("/srv/batchrun.toml")
SCHEMA = jsonschema.Draft7Validator(json.loads(schema_text("config")))

WHOLE = """\
base_url = "https://api.example.com/anthropic"
key_file = "~/key"
workspace_id = "wrkspc_1"
roots = ["data", "/mnt/x"]
allow_commands = true
[budget]
default_usd = 5
job_usd = 10.5
[poll]
min_interval = "1m 30s"
per_minute = 60
[reconcile]
listings = 4
over = "1h"
gap = "1m"
[watch]
settle = "3s"
data_wait = "1d"
rescan = "20s"
jobs = 2
memory = "1GiB"
time_limit = "1h"
shared = true
[hooks]
timeout = "5s"
tries = 2
secret_file = "$CREDENTIALS_DIRECTORY/hmac"
keep_key = true
[on]
done = [{run = ["echo", "done"]}, {post = "https://example.com/hook?x=1"}]
rows_failed = []
[[on.needs_person]]
run = ["mail", "ops"]
[[on.failed]]
post = "http://127.0.0.1:8080/x"
"""


def problems(text: str) -> list[tuple[str, str, str, str]]:
    with pytest.raises(BadConfig) as caught:
        from_toml(text, FILE, {})
    return [(p.where.removeprefix("/srv/"), p.field, p.message, p.hint) for p in caught.value.problems]


def test_every_key() -> None:
    environ = {"HOME": "/home/o", "CREDENTIALS_DIRECTORY": "/run/credentials/x"}
    config = resolve([from_toml(WHOLE, FILE, environ)])

    def hook(where: str, *run: str, post: str = "") -> Hook:
        return Hook(run, post, f"/srv/batchrun.toml:{where}", Path("/srv"), operators=True)

    assert config == Config(
        base_url="https://api.example.com/anthropic",
        key_file=Path("/home/o/key"),
        workspace_id="wrkspc_1",
        roots=(Path("/srv/data"), Path("/mnt/x")),
        allow_commands=True,
        budget_default_usd=5.0,
        budget_job_usd=10.5,
        poll_min_interval=90.0,
        poll_per_minute=60,
        reconcile_listings=4,
        reconcile_over=3600.0,
        reconcile_gap=60.0,
        watch_settle=3.0,
        watch_data_wait=86400.0,
        watch_rescan=20.0,
        watch_jobs=2,
        watch_memory=1 << 30,
        watch_time_limit=3600.0,
        watch_shared=True,
        hooks_timeout=5.0,
        hooks_tries=2,
        hooks_secret_file=Path("/run/credentials/x/hmac"),
        hooks_keep_key=True,
        on_done=(hook("30:9", "echo", "done"), hook("30:35", post="https://example.com/hook?x=1")),
        on_rows_failed=(),
        on_needs_person=(hook("32:1", "mail", "ops"),),
        on_failed=(hook("34:1", post="http://127.0.0.1:8080/x"),),
    )
    assert set(config.origins) == {key.name for key in KEYS}
    assert config.origin("budget.job_usd") == "/srv/batchrun.toml:8:11"
    assert config.hooks(Moment.NEEDS_PERSON) == config.on_needs_person
    SCHEMA.validate(tomllib.loads(WHOLE))


def test_the_schema_has_the_same_keys_and_defaults() -> None:
    found: dict[str, Any] = {}
    for name, about in json.loads(schema_text("config"))["properties"].items():
        inner = about.get("properties", {})
        found |= {f"{name}.{key}": value for key, value in inner.items()} or {name: about}
    assert found.keys() == {key.name for key in KEYS}
    for key in KEYS:
        if "default" in found[key.name]:
            text = found[key.name]["default"]
            layer = from_toml(f"{key.name} = {json.dumps(text)}", FILE, {})
            assert layer[key.name].value == Config().value(key), key


WRONG: list[tuple[str, str, str, str, str]] = [
    ("rots = []", "1:1", "", "unknown key 'rots'", "did you mean 'roots'?"),
    ("settings = 1", "1:1", "", "unknown key 'settings'", "known here: allow_commands, base_url, budget, hooks, key_file, on, poll, reconcile, roots, watch, workspace_id"),
    ("job_usd = 1", "1:1", "", "unknown key 'job_usd'", "job_usd belongs under [budget]"),
    ("[budget]\nroots = []", "2:1", "budget", "unknown key 'roots'", "roots belongs at the top, before any [table]"),
    ("[budget]\n'max usd' = 1", "2:1", "budget", "unknown key 'max usd'", "did you mean 'budget.job_usd'?"),
    ("[on]\nneeds-person = []", "2:1", "on", "unknown key 'needs-person'", "did you mean 'needs_person'?"),
    ("[[on]]\ndone = []", "1:3", "on", "must be a table, not a list", ""),
    ("api_key = 'k'", "1:1", "", "'api_key': a secret has no place in this file", "put it into a file of its own, chmod 600, and name that with key_file"),
    ("budget = 5", "1:10", "budget", "must be a table, not 5", ""),
    ("[budget]\njob_usd = -1", "2:11", "budget.job_usd", "must be an amount in US dollars, 0 or more, not -1", ""),
    ("[budget]\njob_usd = inf", "2:11", "budget.job_usd", "must be an amount in US dollars, 0 or more, not inf", ""),
    ("[budget]\njob_usd = nan", "2:11", "budget.job_usd", "must be an amount in US dollars, 0 or more, not nan", ""),
    ("[budget]\njob_usd = true", "2:11", "budget.job_usd", "must be an amount in US dollars, 0 or more, not true", ""),
    ("[hooks]\ntries = 0", "2:9", "hooks.tries", "must be an integer of at least 1, not 0", ""),
    ("[hooks]\ntries = 1.0", "2:9", "hooks.tries", "must be an integer of at least 1, not 1.0", ""),
    ("[watch]\njobs = 65", "2:8", "watch.jobs", "must be an integer from 1 to 64, not 65", ""),
    ("[watch]\njobs = true", "2:8", "watch.jobs", "must be an integer from 1 to 64, not true", ""),
    ("poll.min_interval = 5", "1:21", "poll.min_interval", "must be a duration such as 90s, 15m, 25h or 1h30m, not 5", ""),
    ("watch.memory = 4", "1:16", "watch.memory", "must be a size such as 500MB or 4GB, not 4", ""),
    ("allow_commands = 'yes'", "1:18", "allow_commands", "must be true or false, not the string 'yes'", ""),
    ("roots = '/x'", "1:9", "roots", "must be a list of folders, not the string '/x'", ""),
    ("roots = ['']", "1:9", "roots", "must be a list of folders, not a list", ""),
    ("key_file = ''", "1:12", "key_file", "must be a path, not the string ''", ""),
    ("base_url = 'http://example.com'", "1:12", "base_url", "must be https; http is for loopback hosts", ""),
    ("base_url = 'https://u:p@example.com'", "1:12", "base_url", "must not hold a user name or password", ""),
    ("base_url = 'example.com'", "1:12", "base_url", "must be an https URL (or http on loopback)", ""),
    ("on.done = 'x'", "1:11", "on.done", 'must be a list such as [{run = ["command", "argument"]}, {post = "https://…"}], not the string \'x\'', ""),
    ("on.done = [{run = 'x y'}]", "1:12", "on.done[0]", 'run must be a list, ["command", "argument"]: no shell reads it', ""),
    ("on.done = [{run = []}]", "1:12", "on.done[0]", 'run must be a command and its arguments: ["command", "argument"]', ""),
    ("on.done = [{run = ['a', 1]}]", "1:12", "on.done[0]", 'run must be a command and its arguments: ["command", "argument"]', ""),
    ("on.done = [{run = ['a'], post = 'https://x.org'}]", "1:12", "on.done[0]", 'must be {run = ["command", "argument"]} or {post = "https://…"}', ""),
    ("on.done = [{post = 'http://x.org/secret'}]", "1:12", "on.done[0]", "post must be https; http is for loopback hosts", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "field", "message", "hint"), WRONG)
def test_what_is_wrong_has_its_place(text: str, place: str, field: str, message: str, hint: str) -> None:
    assert problems(text) == [(f"batchrun.toml:{place}", field, message, hint)]


@pytest.mark.parametrize("text", [case[0] for case in WRONG])
def test_the_schema_refuses_the_same(text: str) -> None:
    # JSON has no infinity, no integer apart from 1.0, and its schema no rule about hosts.
    if not any(word in text for word in ("inf", "nan", "1.0", "http://")):
        assert not SCHEMA.is_valid(tomllib.loads(text))


@pytest.mark.parametrize(("text", "place"), [("[a\n", "1:3"), ("a = 'x", "1:7"), ("a = 1\na = 2", "2:6")])
def test_what_is_no_toml(text: str, place: str) -> None:
    ((where, _, message, _),) = problems(text)
    assert (where, message[:16]) == (f"batchrun.toml:{place}", "not valid TOML: ")


def test_all_at_once_and_in_order() -> None:
    assert [p[0] for p in problems("c = 1\n[budget]\nx = 1\njob_usd = ''\n[on]\ndone = [1]\n")] == [
        "batchrun.toml:1:1", "batchrun.toml:3:1", "batchrun.toml:4:11", "batchrun.toml:6:9",
    ]  # fmt: skip


def test_nesting_without_end() -> None:
    (found,) = problems("a = " + "[" * 100_000)
    assert found[2].startswith("not valid TOML: ")


# ---- the environment ---------------------------------------------------------------------------


def test_every_key_but_hooks_has_a_variable() -> None:
    environ = {
        "BATCHRUN_BASE_URL": "https://x.example",
        "BATCHRUN_KEY_FILE": "k",
        "BATCHRUN_WORKSPACE_ID": "w",
        "BATCHRUN_ROOTS": "../a::/b",
        "BATCHRUN_ALLOW_COMMANDS": "1",
        "BATCHRUN_BUDGET_DEFAULT_USD": "5",
        "BATCHRUN_BUDGET_JOB_USD": "7.5",
        "BATCHRUN_POLL_MIN_INTERVAL": "2m",
        "BATCHRUN_POLL_PER_MINUTE": "30",
        "BATCHRUN_RECONCILE_LISTINGS": "1",
        "BATCHRUN_RECONCILE_OVER": "0s",
        "BATCHRUN_RECONCILE_GAP": "500ms",
        "BATCHRUN_WATCH_SETTLE": "0s",
        "BATCHRUN_WATCH_DATA_WAIT": "3h",
        "BATCHRUN_WATCH_RESCAN": "1m",
        "BATCHRUN_WATCH_JOBS": "1",
        "BATCHRUN_WATCH_MEMORY": "0B",
        "BATCHRUN_WATCH_TIME_LIMIT": "1m",
        "BATCHRUN_WATCH_SHARED": "true",
        "BATCHRUN_HOOKS_TIMEOUT": "1s",
        "BATCHRUN_HOOKS_TRIES": "9",
        "BATCHRUN_HOOKS_SECRET_FILE": "/s",
        "BATCHRUN_HOOKS_KEEP_KEY": "no",
    }
    assert set(environ) == {key.variable for key in KEYS if key.kind is not Kind.HOOKS}
    config = resolve([from_environment(environ)])
    assert config == Config(
        base_url="https://x.example",
        key_file=Path("k"),
        workspace_id="w",
        roots=(Path("../a"), Path("/b")),
        allow_commands=True,
        budget_default_usd=5.0,
        budget_job_usd=7.5,
        poll_min_interval=120.0,
        poll_per_minute=30,
        reconcile_listings=1,
        reconcile_over=0.0,
        reconcile_gap=0.5,
        watch_settle=0.0,
        watch_data_wait=10800.0,
        watch_rescan=60.0,
        watch_jobs=1,
        watch_memory=0,
        watch_time_limit=60.0,
        watch_shared=True,
        hooks_timeout=1.0,
        hooks_tries=9,
        hooks_secret_file=Path("/s"),
        hooks_keep_key=False,
    )
    assert config.origin("roots") == "BATCHRUN_ROOTS"


def test_the_official_names_count_as_environment() -> None:
    environ = {"ANTHROPIC_BASE_URL": "https://a.example", "ANTHROPIC_WORKSPACE_ID": "w", "BATCHRUN_ROOTS": ""}
    config = resolve([from_environment(environ)])
    assert (config.base_url, config.workspace_id, config.roots) == ("https://a.example", "w", ())
    both = resolve([from_environment({**environ, "BATCHRUN_BASE_URL": "https://b.example"})])
    assert both.origin("base_url") == "BATCHRUN_BASE_URL"


def test_a_key_in_the_environment_is_asked_before_any_file() -> None:
    file = from_toml("key_file = 'k'", FILE, {})
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        config = resolve([from_environment({name: "secret"}), file])
        assert (config.key_file, config.origin("key_file")) == (None, name)
    assert resolve([from_environment({}), file]).key_file == Path("/srv/k")
    named = resolve([from_environment({"ANTHROPIC_API_KEY": "secret", "BATCHRUN_KEY_FILE": "/k"}), file])
    assert named.key_file == Path("/k")


def test_bad_variables_are_named() -> None:
    with pytest.raises(BadConfig) as caught:
        from_environment({"BATCHRUN_BUDGET_JOB_USD": "five", "ANTHROPIC_BASE_URL": "http://a.example"})
    assert [(p.where, p.message) for p in caught.value.problems] == [
        ("ANTHROPIC_BASE_URL", "must be https; http is for loopback hosts"),
        ("BATCHRUN_BUDGET_JOB_USD", "must be an amount in US dollars, 0 or more, not the string 'five'"),
    ]


@pytest.mark.parametrize("jobs", ["0", "65"])
def test_as_many_jobs_at_once_as_the_flag_allows(jobs: str) -> None:
    with pytest.raises(BadConfig, match=f"must be an integer from 1 to 64, not {jobs}"):
        from_environment({"BATCHRUN_WATCH_JOBS": jobs})


def test_variables_that_nobody_reads() -> None:
    environ = {"BATCHRUN_ROOT": "x", "BATCHRUN_ROOTS": "x", "BATCHRUN_CONFIG": "", "BATCHRUN_EVENT_JOB": "x"}
    assert unknown_variables({**environ, "PATH": "x"}) == ["BATCHRUN_ROOT"]


def test_the_first_layer_wins() -> None:
    flags = {"roots": Setting((Path("f"),), "--root")}
    layers = [
        flags,
        from_environment({"BATCHRUN_ROOTS": "e", "BATCHRUN_HOOKS_TRIES": "2"}),
        from_toml(WHOLE, FILE, {}),
    ]
    config = resolve(layers)
    assert (config.roots, config.hooks_tries, config.hooks_timeout) == ((Path("f"),), 2, 5.0)
    assert [config.origin(n).rpartition("/")[2] for n in ("roots", "hooks.tries", "hooks.timeout")] == [
        "--root", "BATCHRUN_HOOKS_TRIES", "batchrun.toml:25:11",
    ]  # fmt: skip


# ---- addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["https://x", "https://x.org:8443/a/b", "http://localhost", "http://127.1.2.3:80/x", "http://[::1]:9/"],
)
def test_addresses_that_are_fine(url: str) -> None:
    assert url_fault(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "", "x.org", "ftp://x.org", "https://", "https://x y", "https://x/#a", "https://x\\@y", "https://ü.org",
        "http://x.org", "http://127.0.0.1.x.org", "http://localhost.x.org", "http://localhost@x.org",
        "https://a@x.org", "https://x.org?a=b", "http://10.0.0.1", "http://[::2]/", "HTTP://localhost",
    ],
)  # fmt: skip
def test_addresses_that_are_not(url: str) -> None:
    assert url_fault(url) != ""


def test_a_hook_may_have_a_query() -> None:
    hook: Json = {"post": "https://x.org?a=@b"}
    assert read_hook(hook) == ((), "https://x.org?a=@b")
