"""The demonstration: half a year of real cardholders' lives through hidden credit lines.

>>> from zkcredit import demo
>>> demo.run(customers=20)  # doctest: +SKIP
0
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

    Progress = Callable[[str, int, int], None]

__all__ = ["run"]


def run(
    data: Path | str | None = None,
    customers: int | None = None,
    seed: int = 0,
    json_path: Path | str | None = None,
    *,
    progress: Progress | None = None,
    console: Console | None = None,
) -> int:
    """Plays the demonstration, tells it on ``console`` and returns the exit code.

    ``data`` is a folder with ``clients.csv.gz`` and ``months.csv.gz`` (default: the
    packaged sample), ``customers`` how many of its clients take part, lowest numbers first
    (default: all). ``seed`` orders the clients and changes no total. ``json_path`` gets the
    figures as JSON. ``progress`` is called with (what is being done, done, of how many).

    Returns 0, or 1 if a comparison or the audit failed. Raises CallerError,
    MalformedInput (data), StoreError (files). Nothing is left behind but ``json_path``.
    """
    from zkcredit.demo.show import run as show

    return show(data, customers, seed, json_path, progress=progress, console=console)
