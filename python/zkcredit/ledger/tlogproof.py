"""Offline receipts: proof that an entry is on a log, in one file and without a network.

The format is C2SP tlog-proof: index, audit path, signed checkpoint. The entry
itself travels in the ``extra`` line, which the standard leaves to the parties,
so one file is enough.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkcredit.entries import Entry
from zkcredit.errors import CheckFailed, MalformedInput
from zkcredit.ledger import log
from zkcredit.ledger.note import Checkpoint, VerifierKey, b64decode, b64encode

if TYPE_CHECKING:
    from zkcredit.ledger import LedgerView

SUFFIX = ".tlog-proof"
_HEADER = "c2sp.org/tlog-proof@v1"
_MAX_BYTES = 1 << 20
_MAX_PATH = 64


@dataclass(frozen=True, slots=True)
class TlogProof:
    """An entry's place on the log.

    ``path`` are the sibling hashes from the leaf upward (32 bytes each), ``note``
    is the signed checkpoint, ``entry`` the encoded entry.
    """

    index: int
    path: tuple[bytes, ...]
    note: str
    entry: bytes

    @classmethod
    def make(cls, ledger: LedgerView, index: int, note: str | None = None) -> TlogProof:
        """The receipt of entry ``index`` under the checkpoint ``note``.

        Without ``note``, under the checkpoint that the ledger gives now. CheckFailed if the
        note is not signed by the log, or not of this log.
        """
        entry = ledger.entry(index).encode()
        text = ledger.checkpoint() if note is None else note
        size = Checkpoint.open(text, *ledger.genesis.log_keys).size
        receipt = cls(index, tuple(ledger.inclusion_proof(index, size)), text, entry)
        receipt.verify(*ledger.genesis.log_keys)
        return receipt

    def encode(self) -> str:
        """The receipt as a ``.tlog-proof`` file."""
        lines = [_HEADER, f"extra {b64encode(self.entry)}", f"index {self.index}"]
        return "\n".join([*lines, *map(b64encode, self.path), "", self.note])

    @classmethod
    def decode(cls, text: str) -> TlogProof:
        """The receipt in a file; MalformedInput for anything else."""
        if len(text) > _MAX_BYTES:
            raise MalformedInput("receipt is too long")
        head, separator, note = text.partition("\n\n")
        lines = head.split("\n")
        if not separator or lines[0] != _HEADER:
            raise MalformedInput(f"a receipt begins with {_HEADER} and ends with a checkpoint")
        if len(lines) < 3 or not lines[1].startswith("extra "):
            raise MalformedInput("this receipt does not hold its entry")
        index = re.fullmatch(r"index (0|[1-9][0-9]{0,18})", lines[2])
        if index is None or len(lines) - 3 > _MAX_PATH:
            raise MalformedInput("receipt has no index, or too long a path")
        path = tuple(b64decode(line, "receipt") for line in lines[3:])
        if any(len(item) != log.HASH_BYTES for item in path):
            raise MalformedInput("a hash of the receipt does not have 32 bytes")
        entry = b64decode(lines[1].removeprefix("extra "), "receipt")
        return cls(int(index[1]), path, note, entry)

    def verify(self, *keys: VerifierKey) -> tuple[Entry, Checkpoint]:
        """The entry and the checkpoint, after checking both with the log's public keys.

        CheckFailed if a signature of one of ``keys`` is missing or wrong or the path does
        not lead from the entry to the checkpoint's root; MalformedInput.
        """
        head = Checkpoint.open(self.note, *keys)
        leaf = log.leaf_hash(self.entry)
        log.verify_inclusion(leaf, self.index, head.size, self.path, head.root)
        try:
            return Entry.decode(self.entry), head
        except MalformedInput as error:
            raise CheckFailed(f"the log holds an entry that is none: {error}") from None
