"""Worlds for the command line's tests: built once, copied for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from clikit import World, build


@pytest.fixture(scope="session")
def opened_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build(tmp_path_factory.mktemp("opened"))


@pytest.fixture(scope="session")
def bought_once(opened_once: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = opened_once.copy(tmp_path_factory.mktemp("bought"))
    world.buy()
    return world


@pytest.fixture
def opened(opened_once: World, tmp_path: Path) -> World:
    """A holder with a line of 500.00 TWD; nothing bought yet."""
    return opened_once.copy(tmp_path)


@pytest.fixture
def bought(bought_once: World, tmp_path: Path) -> World:
    """The same after one purchase of 12.50 TWD."""
    return bought_once.copy(tmp_path)
