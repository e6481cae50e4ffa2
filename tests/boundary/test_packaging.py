"""One version everywhere, and locked requirements that agree with each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import zkcredit

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([a-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / "requirements" / name).read_text()))


def test_one_version() -> None:
    from zkcredit import _native

    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())
    assert zkcredit.__version__ == cargo["workspace"]["package"]["version"] == _native.__version__
    assert f"## {zkcredit.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = re.compile(r"[A-Za-z0-9_.-]+")

    def normal(requirement: str) -> str:
        found = named.match(requirement)
        assert found
        return re.sub(r"[-_.]+", "-", found[0]).lower()

    runtime, dev = pins("runtime.txt"), pins("dev.txt")
    assert {normal(r) for r in project["project"]["dependencies"]} <= runtime.keys()
    assert {normal(r) for r in project["dependency-groups"]["dev"]} <= dev.keys()
    assert runtime.items() <= dev.items()


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt"])
def test_locked_by_hash_and_without_addresses(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert "://" not in text
    assert "--index-url" not in text
    requirements = re.split(r"\n(?=\S)", text.strip())
    assert len(requirements) == len(pins(name))
    for requirement in requirements:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", requirement), requirement.splitlines()[0]
