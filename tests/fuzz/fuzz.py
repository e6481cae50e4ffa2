"""Fuzzes one decoder with coverage (Atheris, which `make fuzz` installs for itself).

Run as a program: name of the target, then libFuzzer's arguments.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
with atheris.instrument_imports(include=["zkcredit", "targets"]):
    import targets

import edits


def main() -> None:
    name = sys.argv.pop(1)

    def one(data: bytes) -> None:
        targets.run(name, data)

    seeds = [path.read_bytes() for path in (Path(__file__).parent / "corpus" / name).iterdir()]

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        """Mostly an edit of what the bytes mean, now and then of the bytes.

        Often of a seed: where libFuzzer sees no coverage, it keeps the shortest input only.
        """
        chance = random.Random(seed)
        base = data if chance.random() < 0.5 else chance.choice(seeds)
        found = edits.edited(name, base, chance) if chance.random() < 0.9 else None
        if found is None or len(found) > max_size:
            return bytes(atheris.Mutate(base[:max_size], max_size))
        return found

    if name in edits.CODECS:
        atheris.Setup(sys.argv, one, custom_mutator=mutated)
    else:
        atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
