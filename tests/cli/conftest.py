"""Worlds for the command line's tests: built once, copied for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from clikit import World, add_office, add_records, build


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


@pytest.fixture(scope="session")
def licensed_once(opened_once: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = opened_once.copy(tmp_path_factory.mktemp("licensed"))
    add_office(world)
    return world


@pytest.fixture(scope="session")
def recorded_once(bought_once: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = bought_once.copy(tmp_path_factory.mktemp("recorded"))
    add_records(world)
    return world


@pytest.fixture
def licensed(licensed_once: World, tmp_path: Path) -> World:
    """The holder is an adult by the word of an office, another is a child, the shop verified."""
    return licensed_once.copy(tmp_path)


@pytest.fixture
def recorded(recorded_once: World, tmp_path: Path) -> World:
    """The holder has a receipt, a bill that is not anchored, and an agreement."""
    return recorded_once.copy(tmp_path)
