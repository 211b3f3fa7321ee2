"""`python -m tests.later 400 .venv-later`: make an environment whose clock is 400 days ahead, beside the one that runs this.

It sees all that is installed here, and moves the clock of each interpreter when that starts: of child processes as well,
whatever environment variables they are given. Nothing of it is in the package.
"""

from __future__ import annotations

import sys
import sysconfig
import venv
from pathlib import Path

HERE = Path(__file__).parent
SCRIPT = """#!{python}
import sys
from batchrun.__main__ import main
sys.exit(main())
"""


def make(folder: Path, days: int) -> None:
    venv.EnvBuilder(symlinks=True, clear=True).create(folder)
    packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    installed = sysconfig.get_path("purelib")
    (packages / "later_moved.py").write_text((HERE / "moved.py").read_text("utf-8"), "utf-8")
    (packages / "later.pth").write_text(
        f"import site; site.addsitedir({installed!r}); import later_moved; later_moved.move({days})\n",
        "utf-8",
    )
    script = folder / "bin" / "batchrun"
    script.write_text(SCRIPT.format(python=folder.absolute() / "bin" / "python"), "utf-8")
    script.chmod(0o755)


if __name__ == "__main__":
    make(Path(sys.argv[2]), int(sys.argv[1]))
