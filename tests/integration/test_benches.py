"""The benches of the package still run; what they measure is not looked at here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHES = Path(__file__).parents[2] / "benches" / "python"


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("sizes", (), "permanent entry 279"),
        ("verify", ("--count", "8", "--runs", "1"), "one core:"),
        ("pipeline", ("--count", "12", "--batch", "5", "--runs", "1"), "12 purchases in"),
        ("replay", ("--count", "12", "--runs", "1"), "15 entries in"),
        ("presentation", ("--quick",), "proof of the shop's policy"),
        ("bench_bls", ("--quick",), "| each of 128 in a batch"),
        ("bench_hashing", ("--quick",), "| each of 10,000 inputs"),
        ("bench_bbs", ("--quick",), "| each of 256 proofs"),
        ("load", ("--count", "8", "--seconds", "0.2", "--runs", "1"), "250 a second: p50"),
        ("stores", ("nullifiers", "--rows", "2000", "--batch", "500"), "in batches of 500"),
        ("pipeline", ("--count", "6", "--runs", "1", "--threads", "1"), "6 purchases in"),
        ("scale", ("rate", "--rows", "0", "3000", "--count", "6", "--runs", "1"), "| 3,000 |"),
    ],
)
def test_bench_runs(name: str, arguments: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHES / f"{name}.py"), *arguments]
    if name in ("verify", "pipeline", "replay", "load", "scale"):
        command += ["--cache", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
