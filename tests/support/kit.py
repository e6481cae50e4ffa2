"""A small world for tests of the roles: operator, lender, merchants and wallets.

Everything is real (proofs, signatures, stores); only the clock is turned by hand.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from zkcredit import relations
from zkcredit._native import Circuit, Seed, builtin_circuit_text
from zkcredit.auditor import AuditReport, audit
from zkcredit.entries import Kind, SpendStatement, Statement, Submission
from zkcredit.errors import Refused
from zkcredit.ledger import Operator, Receipt
from zkcredit.lender import Lender
from zkcredit.merchant import Merchant
from zkcredit.messages import Invoice, PayoutOrder
from zkcredit.terms import Terms
from zkcredit.wallet import Line, Token, Wallet
from zkcredit.wallet.steps import Purchase, Steps

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000
"""Unix time at which a world begins: 2026-01-01."""
R = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
"""Order of the groups."""
LIMIT = 100_000
PLAIN = Terms(currency="TWD", apr_bps=0, minimum_pct_bps=500, minimum_floor_minor=1_000)
"""Terms without interest."""
INTEREST = replace(PLAIN, apr_bps=1_800, late_fee_minor=300)
"""Terms with 18 % interest and a late fee."""

_Role = TypeVar("_Role")


def seed(name: object) -> Seed:
    """A root secret of this name."""
    return Seed.from_bytes(hashlib.sha256(repr(name).encode()).digest())


@dataclass
class Clock:
    """A clock that tests turn."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms

    def forward(self, milliseconds: int) -> None:
        """Lets time pass."""
        self.now_ms += milliseconds


@dataclass
class World:
    """One ledger, one lender with period 1 of ``terms`` open, merchants."""

    terms: Terms = PLAIN
    path: Path | None = None
    shops: int = 1
    clock: Clock = field(default_factory=Clock)
    merchants: list[Merchant] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Operator.create(self.path, clock=self.clock)
        self.lender = Lender.create(None, seed("lender"), "Bank", clock=self.clock)
        self.lender.register(self.ledger)
        self.issuer_id = self.lender.issuer_id
        self.terms_hash = self.lender.publish_terms(self.ledger, self.terms)
        self.lender.open_period(self.ledger, self.terms_hash)
        for number in range(self.shops):
            self.add_merchant(f"Shop {number}")

    def close(self) -> None:
        """Closes the databases."""
        self.ledger.close()
        self.lender.close()

    def add_merchant(self, name: str) -> Merchant:
        """Another registered merchant."""
        merchant = Merchant.from_seed(seed(name), name, clock=self.clock)
        merchant.register(self.ledger)
        self.merchants.append(merchant)
        return merchant

    @property
    def merchant(self) -> Merchant:
        """The first merchant."""
        return self.merchants[0]

    # --- holders -----------------------------------------------------------------

    def wallet(self, name: object = "holder") -> Wallet:
        """A wallet of this name, without lines."""
        return Wallet.from_seed(seed(("wallet", name)), clock=self.clock)

    def again(self, wallet: Wallet) -> Wallet:
        """The wallet that reads the dump of ``wallet``: the program was started anew."""
        return Wallet.load(wallet.dump(), clock=self.clock)

    def holder(
        self, name: object = "holder", limit_minor: int = LIMIT, attributes: Sequence[int] = ()
    ) -> Wallet:
        """A wallet with one line that is ready."""
        wallet = self.wallet(name)
        self.open_line(wallet, limit_minor, str(name), attributes)
        return wallet

    def open_line(
        self,
        wallet: Wallet,
        limit_minor: int = LIMIT,
        customer: str = "customer",
        attributes: Sequence[int] = (),
    ) -> int:
        """Opens a line; returns its number."""
        request = wallet.request_line(self.ledger, self.terms_hash)
        number = wallet.lines[-1].number
        self.lender.grant(self.ledger, request, limit_minor, customer, attributes)
        self.answer(wallet)
        assert wallet.line(number).status == "ready"
        return number

    def answer(self, *wallets: Wallet) -> None:
        """The lender signs what waits; the wallets pick it up."""
        self.lender.sign_pending(self.ledger)
        for wallet in wallets:
            wallet.receive(self.ledger)

    def invoice(self, amount_minor: int, shop: int = 0, **options: Any) -> Invoice:
        """An invoice in the currency of the terms."""
        merchant = self.merchants[shop]
        return merchant.invoice(
            self.ledger, amount_minor, self.terms.currency, f"goods of {merchant.name}", **options
        )

    def pay(self, wallet: Wallet, amount_minor: int, *, line: int = 1, shop: int = 0) -> Receipt:
        """A purchase with everything after it."""
        receipt = wallet.pay(self.ledger, line, self.invoice(amount_minor, shop))
        self.answer(wallet)
        return receipt

    def open_period(self) -> int:
        """Opens the next period a month later."""
        self.clock.forward(30 * DAY_MS)
        return self.lender.open_period(self.ledger, self.terms_hash)

    def bill(self, wallet: Wallet, line: int = 1) -> Any:
        """The billing statement of the line's period, up to the received document."""
        opening = wallet.make_statement(self.ledger, line)
        document = self.lender.statement(self.ledger, opening)
        wallet.receive(self.ledger)
        return document

    def update(self, wallet: Wallet, line: int = 1) -> Any:
        """An update, up to the received reply."""
        reply = self.lender.update(self.ledger, wallet.make_update(self.ledger, line))
        wallet.receive(self.ledger)
        return reply

    def refresh(self, wallet: Wallet, line: int = 1) -> None:
        """A refresh with its signature."""
        wallet.refresh(self.ledger, line)
        self.answer(wallet)

    def settle(self, shop: int = 0, reference: str = "IBAN 1") -> list[PayoutOrder]:
        """Settles what a merchant has; returns the accepted payout orders."""
        merchant = self.merchants[shop]
        openings = merchant.settle(self.ledger, reference, force=True)
        orders = [self.lender.settlement(self.ledger, opening) for opening in openings]
        return [merchant.accept_payout(self.ledger, order) for order in orders]

    def audit(self, **options: Any) -> AuditReport:
        """Audits the ledger with everybody's totals."""
        rows = [*self.lender.totals(self.ledger).rows]
        for merchant in self.merchants:
            merchant.check(self.ledger)
            rows += merchant.totals().rows
        return audit(self.ledger, totals=rows, **options)

    # --- what an attacker does by hand -------------------------------------------

    def steps(self, wallet: Wallet) -> Steps:
        """The prover of a wallet, without the wallet's own checks."""
        return Steps(self.ledger.registry, self.terms_hash, wallet._keys)

    def token(self, wallet: Wallet, line: int = 1) -> Token:
        """The line's current token."""
        token = wallet.line(line).token
        assert token is not None
        return token

    def purchase(self, amount_minor: int, payee: bytes | None = None, shop: int = 0) -> Purchase:
        """What a spend needs, from a real invoice (``amount_minor`` may be absurd)."""
        invoice = self.invoice(max(1, min(amount_minor, 1_000)), shop)
        return Purchase(
            amount_minor=amount_minor,
            rho=bytes(invoice.rho),
            payee=invoice.payee if payee is None else payee,
            invoice_hash=hashlib.sha256(invoice.nonce).digest(),
            not_after_ms=invoice.not_after_ms,
            plan=1,
            label="goods",
        )

    def spend(
        self, wallet: Wallet, amount_minor: int, *, token: Token | None = None, **options: Any
    ) -> Submission:
        """A proved purchase that the wallet does not know of."""
        token = self.token(wallet) if token is None else token
        purchase = self.purchase(amount_minor, **options)
        return submission(self.steps(wallet).spend(token, purchase))


def submission(pending: Any) -> Submission:
    """What would be submitted for a pending step."""
    return Submission(Statement.decode(pending.statement), pending.evidence, pending.memo)


def without(circuit: str, *blocks: str) -> Circuit | str:
    """Text of a built-in circuit without the blocks of these ids."""
    text = builtin_circuit_text(circuit)
    for block in blocks:
        start = text.index(f'id = "{block}"')
        start = text.rindex("[[", 0, start)
        end = text.find("\n[[", start)
        text = text[:start] + (text[end + 1 :] if end >= 0 else "")
    return text


@contextmanager
def forged_circuit(circuit: str, *blocks: str) -> Iterator[Callable[[Terms], Circuit]]:
    """A client that proves with a circuit from which some blocks were taken out."""
    text = without(circuit, *blocks)
    real = relations.relation_for

    @functools.cache
    def compiled(buckets: int, attributes: int, bits: int) -> Circuit:
        return Circuit.compile(str(text), {"K": buckets, "M": attributes, "bits": bits})

    def forged(terms: Terms) -> Circuit:
        return compiled(terms.due_buckets, terms.attributes, terms.amount_bits)

    def relation_for(kind: Kind, terms: Terms) -> Circuit:
        return forged(terms) if kind.name.lower() == circuit else real(kind, terms)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "relation_for", relation_for)
        yield forged


@contextmanager
def refused(rule: str) -> Iterator[None]:
    """The block must be refused by the rule of this name."""
    with pytest.raises(Refused) as caught:
        yield
    assert caught.value.rule == rule, str(caught.value)


@contextmanager
def unchanged(ledger: Operator) -> Iterator[None]:
    """The block must not add to the ledger."""
    before = (ledger.size, ledger.root())
    yield
    assert (ledger.size, ledger.root()) == before


def cut(folder: Path, target: Path) -> Path:
    """A copy of a closed ledger's folder: what a backup of that moment holds."""
    shutil.copytree(folder, target)
    return target


def claims(ledger: Operator) -> list[bytes]:
    """All claims on the ledger."""
    found = (entry.statement for _, entry in ledger.entries())
    return [statement.claim for statement in found if isinstance(statement, SpendStatement)]


def consistent(line: Line) -> None:
    """What must hold of every ready line without unsettled movements."""
    assert line.token is not None
    owed_minor = line.balance_minor - line.added_minor + sum(line.token.due_minor)
    assert line.token.available_minor == line.limit_minor - owed_minor


# --- points outside the group -----------------------------------------------------


@functools.cache
def torsion_point() -> tuple[Any, Any, Any]:
    """A point of the curve whose order divides the cofactor (py_ecc arithmetic)."""
    from py_ecc.optimized_bls12_381 import FQ, b, is_inf, multiply

    modulus = FQ.field_modulus
    x = 2
    while True:
        x += 1
        square = FQ(x) ** 3 + b
        y = square ** ((modulus + 1) // 4)
        if y * y != square:
            continue
        point = multiply((FQ(x), y, FQ(1)), R)
        if not is_inf(point):
            return point


def tainted(point: bytes) -> bytes:
    """``point`` plus a point of small order: on the curve, outside the group."""
    from py_ecc.bls.point_compression import compress_G1, decompress_G1
    from py_ecc.optimized_bls12_381 import add

    plain = decompress_G1(int.from_bytes(point, "big"))  # type: ignore[arg-type]
    return int(compress_G1(add(plain, torsion_point()))).to_bytes(48, "big")
