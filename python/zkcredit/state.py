"""What the stored states of all roles have in common."""

from __future__ import annotations

import msgspec


class Secretive(msgspec.Struct):
    """Base of state that holds secrets: it prints its class and nothing else."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
