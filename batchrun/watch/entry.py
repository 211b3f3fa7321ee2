"""Where a worker begins. Apart from `work`, so that the watcher itself need not import what only workers use."""

from __future__ import annotations

from multiprocessing.connection import Connection

from batchrun.watch.orders import Order


def main(order: Order, pipe: Connection) -> None:
    from batchrun.watch import work

    work.main(order, pipe)
