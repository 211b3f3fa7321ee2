"""`batchrun simulate` as a process."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
import requests

from batchrun.commands.simulate import command as simulate
from batchrun.simulator import Scenario, Simulator
from batchrun.simulator.faults import ACTIONS

HEADERS = {"authorization": "Bearer any", "anthropic-version": "2026-10-21"}
BODY = {
    "requests": [
        {
            "custom_id": "a",
            "params": {
                "model": "claude-haiku-4-5",
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "hi"}],
            },
        }
    ]
}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "batchrun", "simulate", *map(str, arguments)]


@contextmanager
def running(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command(*arguments), stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().rstrip("\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_and_leaves_when_told(tmp_path: Path, number: signal.Signals) -> None:
    with running("--state", tmp_path, "--json", "--process-seconds", "0") as process:
        url = json.loads(line_of(process.stdout))["url"]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert line_of(process.stderr) == f"listening on {url}"
        assert line_of(process.stderr) == f"export ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY=simulated"
        batch = requests.post(f"{url}/v1/messages/batches", json=BODY, headers=HEADERS, timeout=10).json()
        ended = requests.get(f"{url}/v1/messages/batches/{batch['id']}", headers=HEADERS, timeout=10).json()
        assert ended["processing_status"] == "ended"
        process.send_signal(number)
        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0
    assert (tmp_path / "ledger.jsonl").exists()


def test_models_retire_by_a_day_that_is_told(tmp_path: Path) -> None:
    for day, lifecycle in (("2026-06-29", "active"), ("2026-06-30", "retired")):
        with running("--state", tmp_path, "--json", "--today", day) as process:
            url = json.loads(line_of(process.stdout))["url"] + "/v1/models/claude-mythos-preview"
            assert requests.get(url, headers=HEADERS, timeout=10).json()["lifecycle"] == lifecycle
    with running("--today", "soon") as process:
        assert "'soon' does not match the format '%Y-%m-%d'" in process.communicate(timeout=10)[1]
        assert process.returncode == 2


def test_without_json_stdout_is_empty(tmp_path: Path) -> None:
    with running("--state", tmp_path) as process:
        assert line_of(process.stderr).startswith("listening on ")
        line_of(process.stderr)
        process.terminate()
        assert process.communicate(timeout=10) == ("", "")


def test_a_scenario_and_options_take_effect(tmp_path: Path) -> None:
    scenario = tmp_path / "faults.yaml"
    scenario.write_text("faults: [{on: list, status: 418}]")
    options = ("--scenario", scenario, "--retry-after", "3", "--foreign-results-url", "https://x.example")
    with running("--state", tmp_path / "s", "--json", *options) as process:
        url = json.loads(line_of(process.stdout))["url"] + "/v1/messages/batches"
        assert requests.get(url, headers=HEADERS, timeout=10).status_code == 418
        batch = requests.post(url, json=BODY, headers=HEADERS, timeout=10).json()
        shown = requests.get(f"{url}/{batch['id']}", headers=HEADERS, timeout=10)
        assert shown.headers["retry-after"] == "3"


def test_faults_come_from_flags_too(tmp_path: Path) -> None:
    scenario = tmp_path / "faults.yaml"
    scenario.write_text("faults: [{list: {status: 418, times: 2}}]")
    flags = ("--fault", "list: {status: 529}", "--fault", "{on: any, status: 503}")
    with running("--state", tmp_path / "s", "--json", "--scenario", scenario, *flags) as process:
        url = json.loads(line_of(process.stdout))["url"] + "/v1/messages/batches"
        codes = [requests.get(url, headers=HEADERS, timeout=10).status_code for _ in range(4)]
    # All count every call they concern; the first is the outermost.
    assert codes == [418, 418, 200, 200]


def test_a_flag_that_is_wrong(tmp_path: Path) -> None:
    flags = ("--fault", "list: {status: 529}", "--fault", "create: {cut: 5}")
    code, out, err = fails("--state", tmp_path, *flags)
    assert (code, out) == (65, "")
    assert err == "error: create: must be of results\n  --> --fault 2:1:9\n"


def fails(*arguments: str | Path) -> tuple[int, str, str]:
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout, done.stderr


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with Simulator(tmp_path / "one") as simulator:
        port = simulator.url.rpartition(":")[2]
        code, out, err = fails("--state", tmp_path / "two", "--port", port)
    assert (code, out) == (73, "")
    assert f"cannot listen on port {port}: Address already in use" in err


def test_a_scenario_that_is_wrong(tmp_path: Path) -> None:
    scenario = tmp_path / "faults.yaml"
    scenario.write_text("faults: [{on: create}]")
    code, _, err = fails("--state", tmp_path, "--scenario", scenario)
    assert code == 65
    assert f"{scenario}:1:10" in err
    assert fails("--scenario", tmp_path / "none.yaml")[0] == 66


def test_the_help_shows_a_scenario_that_loads_and_names_every_action(tmp_path: Path) -> None:
    text = simulate.help or ""
    block = text.partition("A scenario:\n")[2].partition("\n\n")[0]
    (tmp_path / "faults.yaml").write_text(textwrap.dedent(block))
    scenario = Scenario.load(tmp_path / "faults.yaml")
    assert scenario.results
    assert {fault.action for fault in scenario.faults} == set(ACTIONS)
