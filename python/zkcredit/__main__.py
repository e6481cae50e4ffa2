"""The program ``zkcredit``, also as ``python -m zkcredit``."""

from __future__ import annotations

import signal
import sys


def run() -> None:
    """Runs one command and ends the process with its exit code.

    While the commands are still being loaded there is nothing to leave in order, so
    Ctrl-C ends the process as if there were no Python in it.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from zkcredit.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())


if __name__ == "__main__":
    run()
