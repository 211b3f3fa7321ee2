"""What was asked under the spelling of another day is found, and not paid again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchrun.jsonbytes import before
from batchrun.model import FromFile, FromRow, Place, Template
from batchrun.requests.older import Older
from batchrun.requests.rendering import Renderer
from tests.conftest import MakeSimulator
from tests.jobs import node
from tests.workbench import Bench

PLACE = Place("job.yaml", 1, 1)
PLUS = b"5e+3" * 100


def no_files(_path: str) -> bytes:
    raise AssertionError("no file is asked for")


def older(request: dict[str, Any], values: dict[str, Any], read: Any = no_files) -> list[bytes]:
    whole = {k: v if isinstance(v, FromRow | FromFile) else node(v) for k, v in request.items()}
    return Older(whole, read).params(values, Renderer(whole, read)(values)[0])


@pytest.mark.parametrize(
    ("request_", "values", "others"),
    [
        ({"a": "{{ x }}"}, {"x": 1e20}, [b'{"a":"1e20"}']),
        ({"a": "{{ x }}{% if 1 %}{% endif %}"}, {"x": [1e20]}, [b'{"a":"[1e20]"}']),
        ({"a": FromRow("x", PLACE)}, {"x": {"b": 1e20, "c": "1e+20"}}, [b'{"a":{"b":1e20,"c":"1e+20"}}']),
        ({"a": 1e300, "b": "{{ x }}"}, {"x": "1e+20"}, [b'{"a":1e300,"b":"1e+20"}']),
        ({"a": "{{ x|tojson }}"}, {"x": [1, "<"]}, [rb'{"a":"[1,\"\\u003c\"]"}']),
        ({"a": "{{ x|tojson }}"}, {"x": [1e20, 1]}, [rb'{"a":"[1e20,1]"}']),
        ({"a": "{{ x|tojson }} {{ x }}"}, {"x": 1e20}, [b"1e20 1e+20", b"1e+20 1e20", b"1e20 1e20"]),
        ({"a": "{{ x|float }}"}, {"x": "1e20"}, [b'{"a":"1e20"}']),
        ({"a": "{{ x }}"}, {"x": "1e+20"}, []),
        ({"a": "{{ x }}"}, {"x": 1e-7}, []),
        ({"a": "{{ x|tojson }}"}, {"x": "text"}, []),
    ],
)
def test_other_spellings(request_: dict[str, Any], values: dict[str, Any], others: list[bytes]) -> None:
    assert older(request_, values) == [o if o.startswith(b"{") else b'{"a":"%b"}' % o for o in others]


def test_whole_requests() -> None:
    params = b'{"a":1e+20,"b":"1e+20"}'
    assert Older(None, no_files).params({}, params) == [before(params)] == [b'{"a":1e20,"b":"1e+20"}']
    assert Older(None, no_files).params({}, b'{"b":"1e+20"}') == []


def test_a_file_is_read_only_where_the_text_beside_it_differs() -> None:
    read: list[str] = []

    def reading(path: str) -> bytes:
        read.append(path)
        return b"\xe7\xbe\xbe" * 9  # "5e+e" and the like, in base64

    request = {"a": FromFile(Template("{{ f }}", PLACE)), "b": "{{ x }}"}
    assert older(request, {"f": "p.png", "x": "1e+20"}, reading) == []
    assert read == ["p.png"]
    (other,) = older(request, {"f": "p.png", "x": 1e20}, reading)
    assert other.endswith(b'"b":"1e20"}')


# ---- money -------------------------------------------------------------------------------------

A_NUMBER = '{"x": 1e20}\n{"x": 5}\n'
ITS_OLD_TEXT = '{"x": "1e20"}\n{"x": 5}\n'
"""What a text was for which a number stands now: a request of the same bytes as that number's before orjson 3.11.7."""


def a_job(bench: Bench, content: str, data: str, **changes: Any) -> None:
    bench.write("rows.jsonl", data)
    messages = [{"role": "user", "content": content}]
    bench.job(input={"path": "rows.jsonl", "id": None}, request={"messages": messages}, **changes)


def test_a_number_asked_in_its_old_spelling_is_not_asked_again(
    tmp_path: Path, make_simulator: MakeSimulator
) -> None:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    a_job(bench, "Is {{ x }} large?", ITS_OLD_TEXT)
    bench.go(code=0)
    a_job(bench, "Is {{ x }} large?", A_NUMBER + '{"x": 1e20}\n')
    assert bench.run("plan", "--json", code=0).json()["new"] == 0
    bench.go(code=0)
    assert [batch["requests"] for batch in bench.ledger()] == [2]
    records = bench.records()
    assert [record["id"] for record in records] == ["1", "2", "3"]
    assert records[0]["text"] == records[2]["text"]
    assert bench.run("plan", "--json", code=0).json()["new"] == 0


def test_each_sample_is_looked_for_by_itself(tmp_path: Path, make_simulator: MakeSimulator) -> None:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    a_job(bench, "Is {{ x }} large?", ITS_OLD_TEXT, samples=2)
    bench.go(code=0)
    a_job(bench, "Is {{ x }} large?", A_NUMBER, samples=3)
    bench.go(code=0)
    assert [batch["requests"] for batch in bench.ledger()] == [4, 2]


def test_what_tojson_made_before_minijinja_3_is_not_asked_again(
    tmp_path: Path, make_simulator: MakeSimulator
) -> None:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    data = '{"x": {"a": 1, "b": [2, 3]}}\n'
    a_job(bench, "{{ x }}", data)
    bench.go(code=0)
    a_job(bench, "{{ x|tojson }}", data + '{"x": {"a": 2, "b": [2, 3]}}\n')
    bench.go(code=0)
    assert [batch["requests"] for batch in bench.ledger()] == [1, 1]


def test_the_same_for_tables_that_are_rendered_at_once(tmp_path: Path, make_simulator: MakeSimulator) -> None:
    bench = Bench(tmp_path, make_simulator)
    bench.serve()
    bench.rows(3)
    bench.job(request={"messages": [{"role": "user", "content": '["{{ id }}","{{ text }}"]'}]})
    bench.go(code=0)
    bench.rows(4)
    bench.job(request={"messages": [{"role": "user", "content": "{{ [id, text]|tojson }}"}]})
    bench.go(code=0)
    assert [batch["requests"] for batch in bench.ledger()] == [3, 1]
