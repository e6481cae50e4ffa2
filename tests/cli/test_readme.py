"""The README's tutorial and Python example are run as they stand, in processes of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from clikit import blocks, environment, run_document

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.timeout(240)
def test_tutorial(tmp_path: Path) -> None:
    assert len(blocks(README, "sh")) >= 7
    printed = run_document(README, tmp_path)
    for text in (
        "Line 1: open ready, 500.00 TWD available.",
        "credit left  487.50 TWD afterwards",
        "Invoice 1, 12.50 TWD (coffee beans): paid",
        "Bank of Formosa pays 12.50 TWD",
        "Not covered by any total: 0 claims, 0 bills.",
        "Line 1: refresh ready, 492.50 TWD available.",
    ):
        assert text in printed
    assert "1,1,2026-01,TWD,12.50" in (tmp_path / "tutorial" / "bills.csv").read_text()


def test_python_example(tmp_path: Path) -> None:
    (example,) = blocks(README, "python")
    _, _, service = example.partition("\n\n")
    assert sum(bool(line.strip()) for line in service.splitlines()) <= 15
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "1 signed, 1 audited\n"), done.stderr


def test_opens_with_the_two_commands() -> None:
    assert README.startswith("# zkcredit\n\n```\nmake demo\nmake test\n```\n")


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
