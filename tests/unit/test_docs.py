"""What the documents point at exists: tests of the attack table, files behind links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("circuits/*.md")])
_TEST = re.compile(r"`([\w/]+\.(?:py|rs))::(\w+)`")
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")


def _source(name: str) -> str:
    folder = ROOT / ("rust/core/tests" if name.endswith(".rs") else "tests")
    found = [path for path in folder.rglob(Path(name).name) if path.as_posix().endswith(name)]
    assert len(found) == 1, f"{name} names {len(found)} files"
    return found[0].read_text()


def test_the_attack_table_names_tests_that_exist() -> None:
    named = _TEST.findall((ROOT / "docs/attacks.md").read_text())
    assert len(named) > 40
    for name, test in named:
        word = "fn" if name.endswith(".rs") else "def"
        assert f"{word} {test}(" in _source(name), f"{name}::{test}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for target in _LINK.findall(path.read_text()):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"
