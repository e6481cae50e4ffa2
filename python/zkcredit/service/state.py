"""What the service remembers beside the ledger: request keys of parties, nonces, keys used.

Losing this file loses no entry and no money: parties bind their keys again. A signature of
the last ten minutes could then be replayed, to no effect: what it asked for is done.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from zkcredit.database import Database
from zkcredit.errors import Refused, StateConflict

REPLAY_S = 600
"""A signature is valid for 300 s before and after its time: its nonce is kept for both."""


class ServiceStore(Database):
    """The open database of a service."""

    KIND = "service"
    APPLICATION_ID = 0x7A6B7376  # "zksv"
    VERSION = 1

    @classmethod
    def at(cls, path: Path) -> ServiceStore:
        """The database at ``path``, made if it is missing; raises StoreError, MalformedInput."""
        return cls._open(path) if path.exists() else cls._create(path)

    @staticmethod
    def _create_tables(driver: Any, connection: Any) -> None:
        from zkcredit.service.schema import METADATA
        from zkcredit.tables import create_all

        create_all(METADATA, driver, connection)

    def key(self, party: bytes) -> bytes | None:
        """The Ed25519 key (32 bytes) bound to a party."""
        found: bytes | None = self._value("SELECT key FROM keys WHERE party=?", (party,))
        return found

    def bind_key(self, party: bytes, key: bytes, issued_ms: int) -> None:
        """Binds a key; StateConflict if another one was issued at the same time or later."""
        with self.write():
            rows = self._rows("SELECT key, issued_ms FROM keys WHERE party=?", (party,))
            if rows and rows[0] == (key, issued_ms):
                return
            if rows and rows[0][1] >= issued_ms:
                raise StateConflict("a later key is bound already: issue a new statement")
            self._run(
                "INSERT INTO keys VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
                "SET key=excluded.key, issued_ms=excluded.issued_ms",
                (party, key, issued_ms),
            )

    def use_nonce(self, party: bytes, nonce: str, created_s: int) -> None:
        """Notes a nonce; Refused ``signature-replayed`` if the party used it before."""
        with self.write():
            self._run("DELETE FROM nonces WHERE created_s<?", (int(time.time()) - REPLAY_S,))
            row = (party, nonce, created_s)
            if not self._many("INSERT INTO nonces VALUES (?, ?, ?) ON CONFLICT DO NOTHING", [row]):
                raise Refused("signature-replayed", "sign the request anew, with a fresh nonce")

    def use_request(self, key: bytes, fingerprint: bytes) -> None:
        """Notes what a key stands for; Refused ``idempotency-key-reused`` for something else."""
        with self.write():
            sql = "INSERT INTO requests VALUES (?, ?) ON CONFLICT DO NOTHING"
            self._run(sql, (key, fingerprint))
            if self._value("SELECT fingerprint FROM requests WHERE key=?", (key,)) != fingerprint:
                raise Refused("idempotency-key-reused", "this key was used for another request")
