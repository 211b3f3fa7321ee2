"""What becomes of the processes behind the passes."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: the server of a process cannot be told apart from that of other tests.
KILLED = """
import os, signal, threading
from multiprocessing import forkserver
from pathlib import Path
from batchrun.watch.orders import Order
from batchrun.watch.workers import Workers

if __name__ == "__main__":
    workers, order = Workers(4, 60), Order(Path("nowhere.yaml"), "nowhere")
    forkserver.ensure_running()
    server = forkserver._forkserver._forkserver_pid
    os.kill(server, signal.SIGSTOP)
    threading.Timer(1.0, os.kill, (server, signal.SIGKILL)).start()
    try:
        workers.start(order, "first")
    except OSError as error:
        print(error)
    while not workers.running:
        try:
            workers.start(order, "second")
        except ChildProcessError:  # it has ended, but is not gone yet
            pass
    while workers.running:
        workers.wait(60)
        for told in workers.told():
            print(told.tag, told.passed.standing)
"""


def test_the_server_may_be_killed_while_it_starts_a_worker() -> None:
    ran = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, timeout=60)
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == ["the process that starts the jobs' processes has ended", "second gone"]
