"""The runner of the fuzz targets: what it makes of libFuzzer's output, and what it notes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

PATH = Path(__file__).parents[2] / "tools" / "fuzz.py"
SAYS = """
import pathlib, sys
folder = next(x.partition("=")[2] for x in sys.argv if x.startswith("-artifact_prefix="))
print("#2 INITED cov: 9 ft: 11 corp: 1/1b")
print("#9 DONE   cov: 9 ft: 17 corp: 1/1b")
print("stat::number_of_executed_units: 1234")
if {broken}:
    pathlib.Path(folder, "crash-1").write_bytes(b"x")
    sys.exit(77)
"""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("fuzz_tool", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fuzz_tool", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "WORK", tmp_path)
    monkeypatch.setattr(module, "RUNS", tmp_path / "runs.jsonl")
    return module


def saying(broken: bool) -> list[str]:
    return [sys.executable, "-c", SAYS.format(broken=broken)]


def test_a_run(tool: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = tool.run("py/entry", saying(broken=False), 600)
    assert (found.target, found.inputs, found.features, found.broken) == ("py/entry", 1234, 17, 0)
    assert tool.run("py/entry", saying(broken=True), 600).broken == 1
    assert "stat::number_of_executed_units" in capsys.readouterr().out
    assert [path.name for path in (tool.WORK / "broken/py/entry").iterdir()] == ["crash-1"]


def test_all_runs_are_noted_and_added_up(
    tool: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"py/a": saying(broken=False), "rs/b": saying(broken=True)}
    monkeypatch.setattr(tool, "targets", lambda: known)
    for code, arguments in (
        (0, ["py/a"]), (1, ["--built", "--jobs", "2", "rs/*", "*"]), (0, ["--total"]),
    ):  # fmt: skip
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["fuzz.py", *arguments])
        assert tool.main() == code
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(row[0], row[3], row[5]) for row in rows[1:]] == [
        ("py/a", "2468", "0"), ("rs/b", "1234", "1"),
    ]  # fmt: skip


def test_targets_at_a_time(tool: Any) -> None:
    """Each of two waits for the other."""
    meet = f"""
import os, pathlib, time
folder = pathlib.Path({str(tool.WORK / "met")!r})
folder.mkdir(exist_ok=True)
(folder / str(os.getpid())).touch()
end = time.monotonic() + 30
while len(list(folder.iterdir())) < 2:
    assert time.monotonic() < end
    time.sleep(0.01)
"""
    results = tool.run_all({f"py/{i}": [sys.executable, "-c", meet] for i in range(2)}, 1, 2)
    assert [result.broken for result in results] == [0, 0]


def test_targets_are_chosen_in_the_order_of_the_patterns(tool: Any) -> None:
    chosen = list(tool.choose(["rs/engine", "py/e*", "rs/*"]))
    assert chosen[:2] == ["rs/engine", "py/entry"]
    assert len(chosen) == len(set(chosen)) == 7
