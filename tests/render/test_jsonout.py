from __future__ import annotations

import json
from dataclasses import fields, replace

from batchrun.render import jsonout
from tests.render.reports import PLAN, STATUS, SUMMARY


def test_a_summary_with_what_follows_from_it() -> None:
    value = json.loads(jsonout.dumps(SUMMARY))
    assert set(value) == {field.name for field in fields(SUMMARY)} | {"all_succeeded", "unusable"}
    assert (value["all_succeeded"], value["unusable"], value["cost_usd"]) == (False, 7, 1.2345)
    assert value["errors"][1] == {
        "type": "invalid_request_error",
        "message": "Your credit balance is too low.",
        "count": 1,
        "example": "T-18",
        "money": True,
    }


def test_a_plan_with_what_follows_from_it() -> None:
    value = json.loads(jsonout.dumps(PLAN))
    assert set(value) == {field.name for field in fields(PLAN)} | {"over_budget"}
    assert value["estimate"]["cost_high"] == 0.34
    assert value["over_budget"] is False


def test_a_status_with_and_without_a_summary() -> None:
    value = json.loads(jsonout.dumps(STATUS))
    assert "summary" not in value
    assert value["needs"][0]["commands"][0] == "batchrun adopt triage.yaml --shard 0003 --batch msgbatch_A"
    done = jsonout.dumps(replace(STATUS, summary=SUMMARY))
    assert json.loads(done)["summary"]["unusable"] == 7
    assert done.startswith('{\n  "job": "ticket-triage",\n') and done.endswith("}\n")
