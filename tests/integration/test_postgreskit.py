"""The tests' own database server does not outlive the tests, however they end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import postgreskit
import pytest

HOLD = """
import time, postgreskit
with postgreskit.server() as server:
    print(server.folder, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
@pytest.mark.parametrize("both", [False, True], ids=["owner", "owner-and-waiter"])
def test_a_killed_run_leaves_no_server(both: bool, tmp_path: Path) -> None:
    problem = postgreskit.why_not()
    if problem is not None:
        pytest.skip(problem)
    environment = {**os.environ, "PYTHONPATH": str(Path(postgreskit.__file__).parent)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env=environment, stdout=subprocess.PIPE, start_new_session=True,
    ) as owner:  # fmt: skip
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().decode().strip())
        server = int((folder / "data/postmaster.pid").read_text().splitlines()[0])
        waiters = [pid for pid in _children(owner.pid) if pid != server]
        assert len(waiters) == 1
        if both:
            os.kill(waiters[0], 9)
        owner.kill()
    if both:
        assert folder.exists()
        postgreskit.remove_abandoned()
    deadline = time.monotonic() + 30
    while folder.exists() or Path(f"/proc/{server}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _children(pid: int) -> list[int]:
    return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
