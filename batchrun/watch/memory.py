"""How much memory a worker may take."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def bound(limit: int) -> Iterator[None]:
    """A block in which the process may take `limit` bytes of address space; 0 for no limit. Beyond it, Python
    raises MemoryError. A lower limit that stands already stays."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    if limit:
        with suppress(ValueError, OSError):
            # The soft one alone: only that can be lifted again.
            resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
