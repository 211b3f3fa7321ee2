"""What `make test-later` relies on: that the clock of each process is moved, and the time goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.later.__main__ import make


def test_every_interpreter_starts_later(tmp_path: Path) -> None:
    make(tmp_path / "env", 4000)
    say = "import time, batchrun; print(time.time())"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {say!r}], env={{}}, check=True)"
    ran = subprocess.run(
        [tmp_path / "env" / "bin" / "python", "-c", nested], capture_output=True, text=True, check=True
    )
    ahead = float(ran.stdout) - time.time()
    assert abs(ahead - 4000 * 86_400) < 60
    assert sys.prefix not in str(tmp_path)
