from __future__ import annotations

import re
from pathlib import Path

import orjson

from batchrun.simulator import Options, Scenario
from tests.conftest import MakeSimulator
from tests.simulator.helpers import VERSIONS, Client, entry, params

USER_FACING = {"error_visibility": "user_facing"}


def scripted(folder: Path, text: str) -> Options:
    path = folder / "scenario.yaml"
    path.write_text(text)
    return Options(process_seconds=0, retry_after=None, scenario=Scenario.load(path))


def test_an_errored_line_holds_an_envelope(make_simulator: MakeSimulator) -> None:
    with Client(make_simulator()) as client:
        assert client.run_one({}) == {
            "type": "errored",
            "error": {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "message": "model: Field required",
                    "details": USER_FACING,
                },
                "request_id": None,
            },
        }


def test_a_fault_found_by_a_worker_has_a_request_id(make_simulator: MakeSimulator) -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://pictures.invalid/a.png"}}
    with Client(make_simulator()) as client:
        error = client.run_one(params(messages=[{"role": "user", "content": [image]}]))["error"]
    assert re.fullmatch("workerreq_01.{22}", error["request_id"])


def test_version_and_betas_of_create_govern_the_batch(make_simulator: MakeSimulator) -> None:
    with Client(make_simulator()) as client:
        warm = params(temperature=0.5)
        assert client.run_one(warm)["type"] == "succeeded"
        message = client.run_one(warm, **{"anthropic-version": VERSIONS[1]})["error"]["error"]["message"]
        assert message == "temperature: Extra inputs are not permitted"
        long = params(model="claude-opus-5", max_tokens=300_000)
        assert client.run_one(long)["type"] == "errored"
        betas = {"anthropic-beta": "other-2026-01-01, output-300k-2026-03-24"}
        assert client.run_one(long, **betas)["type"] == "succeeded"
        profile = {"anthropic-user-profile-id": "a"}
        assert client.run_one(params(user_profile_id="b"), **profile)["type"] == "errored"


def test_the_prompt_cache_warms_up_in_the_order_of_the_requests(make_simulator: MakeSimulator) -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    system = [{"type": "text", "text": "long " * 5000, "cache_control": mark}]
    with Client(make_simulator()) as client:
        results = client.run(*(entry(f"r{n}", f"text {n}", system=system) for n in range(10)))
    read = [results[f"r{n}"]["message"]["usage"]["cache_read_input_tokens"] for n in range(10)]
    assert read == [0] + [6250] * 9


def test_scripted_results(make_simulator: MakeSimulator, tmp_path: Path) -> None:
    options = scripted(
        tmp_path,
        """
        results:
          - {match: busy, error: {type: overloaded_error, message: Overloaded}}
          - {match: late, type: expired}
          - {match: gone, type: canceled}
          - {match: rude, stop_reason: refusal}
          - {match: '"max_tokens":64', text: Blue.}
        """,
    )
    with Client(make_simulator(options=options)) as client:
        batch = client.create(
            entry("r0", "busy late"),
            entry("r1", "late"),
            entry("r2", "gone"),
            entry("r3", "rude"),
            entry("r4", max_tokens=64),
            entry("r5", "plain"),
        )
        assert client.batch(batch["id"])["request_counts"] == {
            "processing": 0,
            "succeeded": 3,
            "errored": 1,
            "canceled": 1,
            "expired": 1,
        }
        results = client.results(batch["id"])
    assert results["r0"]["error"]["error"] == {
        "type": "overloaded_error",
        "message": "Overloaded",
        "details": USER_FACING,
    }
    assert (results["r1"], results["r2"]) == ({"type": "expired"}, {"type": "canceled"})
    assert (results["r3"]["message"]["stop_reason"], results["r3"]["message"]["content"]) == ("refusal", [])
    assert results["r4"]["message"]["content"] == [{"type": "text", "text": "Blue."}]
    assert results["r5"]["message"]["content"] == [{"type": "text", "text": "plain"}]


def test_a_rule_that_strikes_so_often_counts_over_batches_and_restarts(
    make_simulator: MakeSimulator, tmp_path: Path
) -> None:
    options = scripted(tmp_path, "results: [{match: '', error: {type: api_error}, times: 3}]")
    kinds = []
    for _ in range(2):
        with Client(make_simulator(tmp_path / "state", options=options)) as client:
            results = client.run(entry("r0"), entry("r1"))
            kinds += [results["r0"]["type"], results["r1"]["type"]]
    assert kinds == ["errored", "errored", "errored", "succeeded"]


def test_two_runs_say_the_same(make_simulator: MakeSimulator) -> None:
    answers = []
    for _ in range(2):
        with Client(make_simulator()) as client:
            results = client.run(*(entry(f"r{n}", f"text {n}") for n in range(5)))
        for result in results.values():
            del result["message"]["id"]
        answers.append({custom_id: orjson.dumps(result) for custom_id, result in results.items()})
    assert answers[0] == answers[1]


def test_what_cannot_be_split_into_lines_by_the_careless(make_simulator: MakeSimulator) -> None:
    text = "one\u2028two\u2029three\x85four\r\nfive"
    with Client(make_simulator()) as client:
        result = client.run_one(params(text))
    assert result["message"]["content"] == [{"type": "text", "text": text}]
