"""The figures that benches/peers writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figures:
    """The rows of benches/peers: (table, work, at, who) to microseconds or bytes."""

    rows: dict[tuple[str, str, int, str], float]

    @classmethod
    def read(cls, path: Path) -> Figures:
        rows = json.loads(path.read_bytes())["rows"]
        return cls({(r["table"], r["work"], r["at"], r["who"]): r["value"] for r in rows})

    def get(self, table: str, work: str, at: int, who: str) -> float | None:
        return self.rows.get((table, work, at, who))

    def curve(self, table: str, work: str, who: str) -> tuple[list[int], list[float]]:
        found = {
            key[2]: value
            for key, value in self.rows.items()
            if (*key[:2], key[3]) == (table, work, who)
        }
        return sorted(found), [found[at] for at in sorted(found)]

    def names(self, table: str, at: int) -> list[str]:
        return list(dict.fromkeys(key[3] for key in self.rows if (key[0], key[2]) == (table, at)))
