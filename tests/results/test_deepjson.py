from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.model import Json
from batchrun.results.deepjson import DEPTH, shallow


@given(
    st.recursive(
        st.none() | st.text() | st.integers(0, 9),
        lambda part: st.lists(part) | st.dictionaries(st.text(), part),
    )
)
def test_what_is_shallow_stays_as_it_is(value: Json) -> None:
    line = orjson.dumps(value)
    assert shallow(line) == line


@pytest.mark.parametrize(("begin", "end"), [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("levels", [DEPTH, DEPTH + 1, 5_000, 1_000_000])
def test_what_is_deep_is_cut(begin: bytes, end: bytes, levels: int) -> None:
    line = b"[" + begin * levels + b"1" + end * levels + b',"kept ]}"]'
    value = orjson.loads(shallow(line))
    assert value[1] == "kept ]}"
    for _ in range(DEPTH - 1):
        value = value[0] if isinstance(value, list) else value["a"]
    assert value == [None] or value == {"a": None}


@pytest.mark.parametrize("line", [b"[" * 5000, b'{"a":"[[[\\"[", "b', b"]" * 5000, b'[["' + b"[" * 5000])
def test_what_ends_too_early_stays_unfinished(line: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(shallow(line))
