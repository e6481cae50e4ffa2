"""Submits entries to a ledger folder until somebody kills it; prints what was acknowledged.

Run as a program: folder, name of this writer, batch size. Every line it prints
is "index statement-hash" or "reply index", flushed after the ledger has answered.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
from ledgerkit import Clock, World, stub_engine, toy_signature

from zkcredit.entries import RefreshStatement
from zkcredit.ledger import Operator, Receipt


class Borrowed(World):
    """A world on a ledger whose parties are registered already."""

    def __post_init__(self) -> None:
        registry = self.ledger.registry
        self.issuer_id = next(iter(registry.issuers))
        self.terms_hash = next(iter(registry.terms))
        self.period = 1


def main(path: Path, name: str, batch: int) -> None:
    """Never returns."""
    stub_engine(pytest.MonkeyPatch())
    with Operator.open(path) as ledger:
        world = Borrowed(ledger, Clock())
        for number in itertools.count(ledger.size):
            statements = [world.refresh((name, number, i)) for i in range(batch)]
            receipts = ledger.submit_many([world.prove(item) for item in statements])
            lines = []
            replies = []
            for receipt, statement in zip(receipts, statements, strict=True):
                assert isinstance(receipt, Receipt)
                assert isinstance(statement, RefreshStatement)
                lines.append(f"{receipt.index} {receipt.statement_hash.hex()}\n")
                replies.append((receipt.index, toy_signature(statement)))
            sys.stdout.write("".join(lines))
            sys.stdout.flush()
            ledger.post_replies(replies)
            sys.stdout.write("".join(f"reply {index}\n" for index, _ in replies))
            sys.stdout.flush()
            if number % 3 == 0:
                ledger.checkpoint()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
