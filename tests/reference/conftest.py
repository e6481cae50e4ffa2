"""One ledger for all tests of the second verifier."""

from __future__ import annotations

from pathlib import Path

import pytest
from referenceledger import build

from zkcredit.reference import Folder


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with every kind of entry, closed."""
    path = tmp_path_factory.mktemp("reference") / "ledger"
    build(path)
    return path


@pytest.fixture(scope="session")
def folder(place: Path) -> Folder:
    """The same ledger as the reference reads it."""
    return Folder(place)
