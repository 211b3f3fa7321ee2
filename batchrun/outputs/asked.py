"""Which JSON Schema each request asked its answer to follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from batchrun.model import Node
from batchrun.outputs.structured import Check, check_for, schema_in, written_schema
from batchrun.results.answers import Source
from batchrun.results.lineindex import KEY_LENGTH, KeyedLines


class Asked:
    """The schema that each request asked for.

    Where the spec writes it out, it is one for all. Where it depends on the row, or rows are ready-made
    requests, the request line itself says it, found by its key in the shard's file.
    """

    def __init__(self, request: Mapping[str, Node] | None, sources: Sequence[Source]) -> None:
        """`request` as in the job. Raises DiskError when a shard's requests cannot be read."""
        self._lines: KeyedLines | None = None
        self._one: Check | None = None
        written, schema = written_schema(request)
        if written:
            self._one = check_for(schema)
        else:
            self._lines = KeyedLines([s.requests for s in sources if s.requests is not None])

    def check(self, key: str) -> Check | None:
        """How to check the answer to this request; None where it did not ask for structured output."""
        if self._lines is None:
            return self._one
        for entry in self._lines.find(key):
            request = orjson.loads(self._lines.line(entry))
            if request["custom_id"][:KEY_LENGTH] == key:
                return check_for(schema_in(request["params"]))
        return None

    def close(self) -> None:
        if self._lines is not None:
            self._lines.close()
