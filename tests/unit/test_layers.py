"""Imports point one way, as docs/ARCHITECTURE.md draws it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "python" / "zkcredit"
PLACES = sorted(
    {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in ROOT.rglob("*.py")}
)

COMMANDS = {"__main__", "cli", "demo"}
ROLES = {"wallet", "lender", "merchant"}
SERVERS = {"service", "cosigner", "remote", "auditor"}
BETWEEN = {"credentials", "policies", "purchases", "records", "issuing"}
FORBIDDEN = {
    "ledger": COMMANDS | ROLES | SERVERS | BETWEEN - {"credentials"},
    "service": COMMANDS | ROLES | SERVERS - {"service"} | BETWEEN,
    "cosigner": COMMANDS | ROLES | SERVERS - {"cosigner"} | BETWEEN,
    "auditor": COMMANDS | ROLES | SERVERS - {"auditor"} | BETWEEN,
    "remote": COMMANDS | ROLES | BETWEEN,
    "credentials": COMMANDS | ROLES | SERVERS | {"purchases", "records"},
    "policies": COMMANDS | ROLES | SERVERS | {"purchases", "records"},
    "records": COMMANDS | ROLES | SERVERS | BETWEEN - {"records"},
    "purchases": COMMANDS | ROLES | SERVERS | {"records"},
    "wallet": COMMANDS | ROLES - {"wallet"} | SERVERS,
    "lender": COMMANDS | ROLES - {"lender"} | SERVERS,
    "merchant": COMMANDS | ROLES - {"merchant"} | SERVERS - {"service"},
    "reference": set(PLACES) - {"reference", "errors"},
    "demo": {"cli"},
}
"""What a place may not import while it runs; names that only a type checker reads are free."""


def imports(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports when it runs, on loading or later."""
    tree = ast.parse(path.read_text())
    unread = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) not in unread and isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module == "zkcredit":
                yield from (f"zkcredit.{name.name}" for name in node.names)
            elif module.startswith("zkcredit."):
                yield module


def files(place: str) -> list[Path]:
    folder = ROOT / place
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def test_every_place_is_there() -> None:
    assert set(FORBIDDEN) <= set(PLACES)
    assert "zkcredit.ledger" in set(imports(ROOT / "auditor.py"))


@pytest.mark.parametrize("place", sorted(FORBIDDEN))
def test_arrows_point_one_way(place: str) -> None:
    for path in files(place):
        for module in imports(path):
            assert module.split(".")[1] not in FORBIDDEN[place], f"{path.name} imports {module}"


@pytest.mark.parametrize("place", [place for place in PLACES if place not in COMMANDS])
def test_nobody_imports_the_commands(place: str) -> None:
    for path in files(place):
        assert not {"cli", "demo"} & {module.split(".")[1] for module in imports(path)}, path.name


def test_roles_do_not_reach_into_the_store() -> None:
    for place in (*ROLES, *BETWEEN):
        for path in files(place):
            assert "zkcredit.ledger.store" not in set(imports(path)), path.name


def test_credentials_know_policies_in_one_file_only() -> None:
    knowing = {
        path.name
        for path in files("credentials")
        if any(module.startswith("zkcredit.policies") for module in imports(path))
    }
    assert knowing <= {"exchange.py"}
