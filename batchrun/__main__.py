"""The command `batchrun`, and `python -m batchrun`."""

from __future__ import annotations

import sys

from batchrun.fastpath import quick


def main() -> None:
    """Leave with the exit code of the command line."""
    try:
        if (code := quick.exit_code(sys.argv[1:])) is None:
            from batchrun import cli

            cli.main()
    except KeyboardInterrupt:  # while modules are imported
        from batchrun.errors import ExitCode

        code = ExitCode.SIGINT
    finally:
        quick.leave()
    sys.exit(code)


if __name__ == "__main__":
    main()
