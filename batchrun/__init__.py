"""make for LLM batches: a declarative runner for the Anthropic Message Batches API.

    from batchrun import BatchesClient, run_job

What is heavy is imported when it is first asked for.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # typing itself takes longer to import than many a command that needs it not
if TYPE_CHECKING:
    from batchrun.client.batches import BatchesClient
    from batchrun.errors import ApiError, BatchrunError
    from batchrun.model import Batch, BatchPage, RequestCounts, Result
    from batchrun.reports.outcome import Outcome
    from batchrun.run.jobs import run_job

__all__ = [
    "ApiError",
    "Batch",
    "BatchPage",
    "BatchesClient",
    "BatchrunError",
    "Outcome",
    "RequestCounts",
    "Result",
    "__version__",
    "run_job",
]

_HOMES = {
    "batchrun.client.batches": ("BatchesClient",),
    "batchrun.errors": ("ApiError", "BatchrunError"),
    "batchrun.run.jobs": ("run_job",),
    "batchrun.reports.outcome": ("Outcome",),
    "batchrun.model": ("Batch", "BatchPage", "RequestCounts", "Result"),
}


def __getattr__(name: str) -> object:
    import importlib

    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'batchrun' has no attribute {name!r}")
