"""Turn BFCL's car scenarios into conversations.jsonl: python prepare.py FOLDER

FOLDER is the unpacked wheel of bfcl-eval. A scenario is a list of user turns with the right calls for each.
We make those calls on the car that the package simulates, so that the history holds real tool results, and
write one row a user turn: the conversation up to it, with the calls that are expected next.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

DATA = Path(sys.argv[1], "bfcl_eval", "data")
CAR = "VehicleControlAPI"


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in DATA.joinpath(name).read_text().splitlines()]


def call(text: str, car: Any) -> tuple[str, dict[str, Any]]:
    """`f(1, b=2)` as a name and its arguments by name."""
    node = ast.parse(text, mode="eval").body
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    values = [ast.literal_eval(word) for word in node.args]
    named = {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg}
    return node.func.id, signature(getattr(car, node.func.id)).bind(*values, **named).arguments


def rows(scenario: dict[str, Any], turns: list[list[str]], car: Any) -> Iterator[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for turn, (said, calls) in enumerate(zip(scenario["question"], turns, strict=True), 1):
        if not all(hasattr(car, text.partition("(")[0]) for text in calls):
            return  # the scenario goes on with something other than the car
        text = {"type": "text", "text": said[0]["content"]}
        messages.append({"role": "user", "content": [*results, text]})
        results = []
        yield {"id": f"{scenario['id']}.{turn}", "messages": messages[:], "expected": calls}
        for number, written in enumerate(calls, 1):
            name, arguments = call(written, car)
            use = f"toolu_{turn:02}_{number:02}"
            if number > 1:
                messages.append({"role": "user", "content": results})
            block = {"type": "tool_use", "id": use, "name": name, "input": arguments}
            messages.append({"role": "assistant", "content": [block]})
            result = json.dumps(getattr(car, name)(**arguments))
            results = [{"type": "tool_result", "tool_use_id": use, "content": result}]


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    from bfcl_eval.eval_checker.multi_turn_eval.func_source_code.vehicle_control import VehicleControlAPI

    right = {
        answer["id"]: answer["ground_truth"]
        for answer in read("possible_answer/BFCL_v4_multi_turn_base.json")
    }
    with Path("conversations.jsonl").open("w", encoding="utf-8") as target:
        for scenario in read("BFCL_v4_multi_turn_base.json"):
            if CAR in scenario["involved_classes"]:
                car = VehicleControlAPI()
                car._load_scenario(scenario["initial_config"].get(CAR, {}))
                for row in rows(scenario, right[scenario["id"]], car):
                    target.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


main()
