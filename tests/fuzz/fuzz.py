"""Fuzzes one decoder with coverage (Atheris, which `make fuzz` installs for itself).

Run as a program: name of the target, then libFuzzer's arguments.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
with atheris.instrument_imports(include=["zkcredit", "targets"]):
    import targets


def main() -> None:
    name = sys.argv.pop(1)

    def one(data: bytes) -> None:
        targets.run(name, data)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
