"""Published vectors for the tests: every file of a folder, so that new ones run too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).resolve().parents[1] / "vectors"


def load(path: str) -> Any:
    return json.loads((VECTORS / path).read_text())


def cases(folder: str) -> list[tuple[str, Any]]:
    """Name and content of every JSON file of a folder; at least one."""
    found = [(path.name, json.loads(path.read_text())) for path in _files(folder)]
    assert found, f"no vectors in {folder}"
    return found


def _files(folder: str) -> Iterator[Path]:
    return iter(sorted((VECTORS / folder).glob("*.json")))


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
