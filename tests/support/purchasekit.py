"""A shop asks about purchases, a wallet answers; and a prover that checks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kit import World

from zkcredit.keys import WalletKeys
from zkcredit.messages import decode_message, encode_message
from zkcredit.purchases.messages import PurchasesProof, PurchasesRequest, make_request, read_request
from zkcredit.purchases.prove import _Prover
from zkcredit.purchases.verify import Finding, verify
from zkcredit.wallet import Wallet
from zkcredit.wallet.state import HistoryRow


@dataclass
class Market(World):
    """A world in which "buyer" has bought for 50, 70 and 30, and "other" for 20."""

    buyer: Wallet = field(init=False)
    other: Wallet = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.buyer, self.other = self.holder("buyer"), self.holder("other")
        for amount_minor in (50, 70, 30):
            self.pay(self.buyer, amount_minor)
        self.pay(self.other, 20)


def ask(world: World, periods: tuple[int, int] = (1, 1), **options: Any) -> PurchasesRequest:
    """A question of the first shop, under the first terms if no others are named."""
    arguments: dict[str, Any] = {
        "key": world.merchant._keys.bls,
        "verifier_id": world.merchant.merchant_id,
        "terms_hash": world.terms_hash,
        "periods": periods,
        "valid_until_ms": world.clock() + 60_000,
    }
    return make_request(world.ledger.registry, **arguments | options)


def answer(
    world: World, wallet: Wallet, request: PurchasesRequest, *entries: int, line: int = 1
) -> Finding:
    """What the shop finds in the holder's answer, after both went through JSON."""
    asked = decode_message(encode_message(request), PurchasesRequest)
    proof = wallet.prove_purchases(world.ledger, line, asked, entries or None)
    given = decode_message(encode_message(proof), PurchasesProof)
    return verify(world.ledger, request, given, world.clock())


def rows(wallet: Wallet, kind: str = "spend", line: int = 1) -> list[HistoryRow]:
    """The finished steps of this kind."""
    return [row for row in wallet.history(line) if row.kind == kind]


def spends(wallet: Wallet, line: int = 1) -> tuple[int, ...]:
    """Entries of a wallet's purchases."""
    return tuple(row.index for row in rows(wallet, "spend", line))


class Liar(_Prover):
    """Proves whatever it is told, with any mixture of rows."""

    def check(self, *_: object) -> None:
        """Nothing."""


def lie(
    world: World,
    keys: WalletKeys,
    request: PurchasesRequest,
    purchases: Sequence[HistoryRow],
    bills: Sequence[HistoryRow] = (),
    prover: type[Liar] = Liar,
) -> PurchasesProof:
    """An answer made of these rows, whoever they belong to."""
    question = read_request(world.ledger.registry, request, world.clock())
    return prover(question, keys, world.ledger, list(purchases), list(bills)).run()
