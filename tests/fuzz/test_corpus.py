"""Every seed decodes as its target wants, and damaged seeds raise errors of the closed set."""

from __future__ import annotations

import random
from pathlib import Path

import edits
import pytest
import targets

CORPUS = Path(__file__).parent / "corpus"


def seeds(name: str) -> list[Path]:
    return sorted((CORPUS / name).iterdir())


@pytest.mark.parametrize("name", targets.TARGETS)
def test_seeds(name: str) -> None:
    assert all(targets.run(name, path.read_bytes()) for path in seeds(name))


@pytest.mark.parametrize("name", targets.TARGETS)
def test_damaged_seeds(name: str) -> None:
    chance = random.Random(name)
    for path in seeds(name):
        whole = path.read_bytes()
        for _ in range(40):
            data = bytearray(whole)
            at = chance.randrange(len(data))
            match chance.randrange(3):
                case 0:
                    data[at] ^= 1 << chance.randrange(8)
                case 1:
                    del data[at:]
                case _:
                    data[at:at] = data[at : at + chance.randrange(1, 9)]
            targets.run(name, bytes(data))


@pytest.mark.parametrize("name", edits.CODECS)
def test_edited_seeds(name: str) -> None:
    chance = random.Random(name)
    whole = [path.read_bytes() for path in seeds(name)]
    tried = [edits.edited(name, chance.choice(whole), chance) for _ in range(400)]
    decoded = [targets.run(name, data) for data in tried if data is not None]
    assert len(decoded) > 300
    assert {True, False} == set(decoded)
