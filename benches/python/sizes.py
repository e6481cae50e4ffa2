"""Bytes of proofs, entries and what else is stored for each kind of step.

    python benches/python/sizes.py

Limits: a spend's proof with its points at most 3,400 bytes, its permanent entry at most 350.
"""

from __future__ import annotations

import secrets

from zkcredit import _native
from zkcredit.entries import Entry, Kind
from zkcredit.ledger.operator import Operator
from zkcredit.lender import Lender
from zkcredit.merchant import Merchant
from zkcredit.terms import Terms
from zkcredit.wallet import Wallet

PROOF_MAX, ENTRY_MAX = 3_400, 350
CLAIMS = 5


def main() -> None:
    with Operator.create(None, origin="bench.example/ledger") as ledger:
        _live(ledger)
        print(f"{'kind':<10} {'entry':>7} {'evidence':>9} {'memo':>5} {'reply':>6}   bytes")
        seen: dict[Kind, tuple[int, int]] = {}
        for index, entry, evidence, memo, reply in ledger.records(0, ledger.size):
            kind = Entry.decode(entry).statement.KIND
            if kind not in seen:
                seen[kind] = len(entry), len(evidence or b"")
                print(
                    f"{kind.name.lower():<10} {len(entry):>7} {len(evidence or b''):>9} "
                    f"{len(memo or b''):>5} {len(reply or b''):>6}   (entry {index})"
                )
    entry_bytes, proof_bytes = seen[Kind.SPEND]
    print(f"spend: proof with all its points {proof_bytes}; limit {PROOF_MAX}")
    print(f"spend: permanent entry {entry_bytes}; limit {ENTRY_MAX}")
    print("spend proofs by K and bits:")
    for buckets, bits in ((1, 32), (1, 64), (3, 32), (12, 32)):
        sizes = {"K": buckets, "M": 0, "bits": bits}
        print(
            f"  K={buckets:<2} {bits} bits: {_native.builtin_circuit('spend', sizes).proof_length}"
        )
    assert proof_bytes <= PROOF_MAX
    assert entry_bytes <= ENTRY_MAX


def _live(ledger: Operator) -> None:
    """One line through every kind of step."""
    lender = Lender.create(None, _seed(), "Bench Bank")
    merchant = Merchant.from_seed(_seed(), "Shop")
    wallet = Wallet.from_seed(_seed())
    lender.register(ledger)
    terms_hash = lender.publish_terms(ledger, Terms(currency="TWD"))
    lender.open_period(ledger, terms_hash)
    merchant.register(ledger)
    lender.grant(ledger, wallet.request_line(ledger, terms_hash), 100_000, "customer 1")

    def turn() -> None:
        lender.sign_pending(ledger)
        wallet.receive(ledger)

    turn()
    for _ in range(CLAIMS):
        wallet.pay(ledger, 1, merchant.invoice(ledger, 1_000, "TWD", "thing"))
        turn()
    wallet.refresh(ledger, 1)
    turn()
    lender.update(ledger, wallet.make_update(ledger, 1))
    turn()
    merchant.settle(ledger, "account")
    lender.open_period(ledger, terms_hash)
    lender.statement(ledger, wallet.make_statement(ledger, 1))
    turn()


def _seed() -> _native.Seed:
    return _native.Seed.from_bytes(secrets.token_bytes(32))


if __name__ == "__main__":
    main()
