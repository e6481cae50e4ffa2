"""What `import zkcredit` promises: cheap, lazy, and clear when it cannot work."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import zkcredit

PACKAGE = Path(zkcredit.__file__).parent
HEAVY = (
    "click",
    "cryptography",
    "msgspec",
    "py_ecc",
    "pysqlite3",
    "rich",
    "sqlalchemy",
    "zkcredit._native",
)


def run(code: str, *, path: Path = PACKAGE.parent) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.fixture
def unbuilt(tmp_path: Path) -> Path:
    """A copy of the package without the compiled extension."""
    shutil.copytree(
        PACKAGE, tmp_path / "zkcredit", ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    return tmp_path


def test_importing_the_package_loads_nothing_heavy() -> None:
    ended = run(f"import sys, zkcredit; print([m for m in {HEAVY!r} if m in sys.modules])")
    assert (ended.returncode, ended.stdout.strip()) == (0, "[]"), ended.stderr


@pytest.mark.parametrize("name", zkcredit.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(zkcredit, name) is not None
    assert name in dir(zkcredit)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'walet'"):
        _ = zkcredit.walet  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "code",
    [
        "import zkcredit",
        "import zkcredit._native",
        "from zkcredit import Wallet",
        "from zkcredit.cli import main",
    ],
)
def test_without_the_extension_the_error_says_what_to_do(unbuilt: Path, code: str) -> None:
    ended = run(code, path=unbuilt)
    last = ended.stderr.strip().splitlines()[-1]
    assert ended.returncode == 1
    assert last.startswith("ImportError: ")
    assert "make demo" in last
    assert "pip install ." in last


def test_the_built_extension_is_found_before_its_stand_in() -> None:
    ended = run("import zkcredit._native as n; print(n.__file__)")
    assert ended.stdout.strip().endswith(".so"), ended.stderr
