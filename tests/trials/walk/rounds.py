"""Many walks, each in a folder of its own; and one that broke something, shortened."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import count

from tests.trials.forks import Forks
from tests.trials.rig import Rig, in_memory
from tests.trials.walk.walker import Broken, Walker

STEPS = 40

Walk = Callable[[int, Sequence[int]], "Broken | None"]
"""Takes the steps of a seed; what broke."""


class _Pair:
    """Two fork servers, so that two commands can run at once; new ones where a command came to no end."""

    def __init__(self, rig: Rig) -> None:
        self._rig, self._open, self._names = rig, ExitStack(), rig.modules()
        self.renew()

    def renew(self) -> None:
        self._open.close()
        homes = (self._rig.folder / "first", self._rig.folder / "second")
        first, second = (self._open.enter_context(Forks(home, self._names)) for home in homes)
        self.forks = (first, second)

    def close(self) -> None:
        self._open.close()


@contextmanager
def walking() -> Iterator[Walk]:
    """In memory, where the system has a place for that."""
    with in_memory() as rig, closing(_Pair(rig)) as pair:
        numbers = count()

        def walk(seed: int, steps: Sequence[int]) -> Broken | None:
            home = rig.folder / f"walk-{next(numbers)}"
            walker = Walker(home, pair.forks, seed)
            try:
                walker.go(steps)
            except Broken as broken:
                pair.renew()
                return broken
            finally:
                walker.close()
                shutil.rmtree(home, ignore_errors=True)
            return None

        yield walk


def shortened(walk: Walk, seed: int, steps: int) -> Broken | None:
    """Leave out every step without which it breaks all the same."""
    kept, fault = list(range(steps)), None
    for number in reversed(range(steps)):
        rest = [n for n in kept if n != number]
        if (found := walk(seed, rest)) is not None:
            kept, fault = rest, found
    return fault or walk(seed, kept)
