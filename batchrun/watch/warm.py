"""Imported once, by the server that workers are forked from, so that no worker does it again.

Here, and only here, importing does work: that is what the module is for. A worker that had to read the schema
and the prices would take three times as long.
"""

import gc

import genai_prices.data
import requests

import batchrun.client.batches
import batchrun.providers.anthropic
import batchrun.run.engine
import batchrun.watch.work
from batchrun.cost.prices import price_of
from batchrun.lifecycle import state
from batchrun.spec.loader import job_validator

SAMPLE = {
    "version": 1,
    "name": "sample",
    "input": {"path": "rows.csv", "id": "id"},
    "request": {
        "model": "claude-haiku-4-5",
        "max_tokens": 300,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "{{ text }}"}],
    },
    "output": {"path": "out/answers.jsonl"},
    "limits": {"max_cost_usd": 5},
    "poll": {"interval": "60s", "timeout": "25h"},
}
"""The keys that most specs have: their patterns are compiled when they are first met."""

job_validator().is_valid(SAMPLE)
price_of("claude-haiku-4-5")
state.loads(state.dumps(state.RunState("", "", "", "")), where="")
# What is there now stays: collecting it in each worker would copy all of its memory.
gc.collect()
gc.freeze()

__all__ = ["batchrun", "genai_prices", "requests"]
