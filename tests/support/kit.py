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
from typing import Any

import pytest

from zkcredit import digests, relations
from zkcredit._native import (
    Circuit,
    Prover,
    Seed,
    aggregate_payee_secrets,
    builtin_circuit_text,
    commit,
)
from zkcredit.auditor import AuditReport, audit
from zkcredit.entries import (
    Entry,
    Kind,
    SettleStatement,
    SpendStatement,
    Statement,
    Submission,
)
from zkcredit.errors import Refused
from zkcredit.ledger import Operator, Receipt
from zkcredit.lender import Lender
from zkcredit.merchant import Merchant
from zkcredit.messages import Invoice, PayoutOrder
from zkcredit.sealing import Memo
from zkcredit.terms import Terms
from zkcredit.tokens import claim_commitment
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
    database: str | None = None
    clock: Clock = field(default_factory=Clock)
    merchants: list[Merchant] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Operator.create(self.path, database=self.database, clock=self.clock)
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

    def reopen(self, path: Path) -> None:
        """Goes on with the ledger in another folder."""
        self.ledger.close()
        self.ledger = Operator.open(path, clock=self.clock)

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
            merchant_id=bytes(invoice.merchant_id),
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

    def forge_spend(
        self,
        wallet: Wallet,
        amount_minor: int,
        *,
        token: Token | None = None,
        available_next: int | None = None,
        due_next: list[int] | None = None,
        part: list[int] | None = None,
        statement: dict[str, Any] | None = None,
    ) -> Submission:
        """A spend with a witness of the attacker's choice, before any check of a wallet."""
        steps = self.steps(wallet)
        token = self.token(wallet) if token is None else token
        purchase = self.purchase(amount_minor)
        claim = claim_commitment(steps.product.value_label, amount_minor, purchase.rho)
        pair = wallet._keys.spend_pair(token.serial, purchase.payee, claim, 1)
        left_minor = token.available_minor - amount_minor
        due_minor = [token.due_minor[0] + amount_minor, *token.due_minor[1:]]
        witness: dict[str, Any] = {
            "available_next": left_minor if available_next is None else available_next,
            "due_next": due_minor if due_next is None else due_next,
            "amount": amount_minor,
            "rho": purchase.rho,
        }
        if part is not None:
            witness["part"] = part
        prover = steps._prover(Kind.SPEND, token, pair, witness)
        fields: dict[str, Any] = {
            "terms_hash": self.terms_hash,
            "period": token.period,
            "nullifier": token.serial,
            "commitment": prover.points["next"],
            "claim": prover.points["claim"],
            "payee": purchase.payee,
            "invoice_hash": purchase.invoice_hash,
            "not_after_ms": purchase.not_after_ms,
        }
        made = SpendStatement(**fields | (statement or {}))
        return submission(steps._pending(prover, made, token, Memo()))

    def claim_of(self, receipt: Receipt, shop: int = 0) -> tuple[int, bytes, Any]:
        """(index, payee key, payee secret) of a paid invoice of a merchant."""
        merchant = self.merchants[shop]
        merchant.check(self.ledger)
        sale = next(sale for sale in merchant.sales if sale.claim_index == receipt.index)
        secret = merchant._keys.payee_secret(sale.nonce)
        return receipt.index, commit([("payee", secret)]), secret

    def settlement(
        self, claims: Sequence[tuple[int, bytes, Any]], key: Any = None, **changes: Any
    ) -> Submission:
        """A proved settlement of (index, payee key, secret); ``key``: the secret to prove."""
        fields: dict[str, Any] = {
            "issuer_id": self.issuer_id,
            "asset": self.terms.currency,
            "payout_hash": hashlib.sha256(repr(claims).encode()).digest(),
            "claims": tuple((index, payee_key) for index, payee_key, _ in claims),
        }
        statement = SettleStatement(**fields | changes)
        if key is None:
            weights = digests.settle_context(self.ledger.ledger_id, statement.encode())
            key = aggregate_payee_secrets(
                [secret for _, _, secret in claims], [one for _, one, _ in claims], weights
            )
        prover = Prover(relations.settlement_circuit(), witness={"key": key})
        context = digests.engine_context(statement.encode(), b"")
        return Submission(statement, prover.prove(self.ledger.ledger_id, context, seed("thief")))


class Rogue:
    """An operator without rules: the real ledger, with entries of its own at the end."""

    def __init__(self, ledger: Operator, extra: Sequence[Submission] = ()) -> None:
        self._ledger = ledger
        self._start = ledger.size
        self._extra = [
            (Entry(START_MS, digests.evidence_hash(x.evidence, x.memo), x.statement), x)
            for x in extra
        ]
        self.posted: dict[int, bytes] = {}
        self.told: dict[int, bytes] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    @property
    def size(self) -> int:
        return self._start + len(self._extra)

    def entry(self, index: int) -> Entry:
        found = index - self._start
        return self._ledger.entry(index) if found < 0 else self._extra[found][0]

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Entry]]:
        for index in range(start, self.size if stop is None else stop):
            yield index, self.entry(index)

    def evidence(self, index: int) -> tuple[bytes, bytes]:
        found = index - self._start
        if found < 0:
            return self._ledger.evidence(index)
        return self._extra[found][1].evidence, self._extra[found][1].memo

    def evidence_of(self, indexes: Sequence[int]) -> list[tuple[bytes, bytes]]:
        return [self.evidence(index) for index in indexes]

    def reply(self, index: int) -> bytes | None:
        if index in self.told:
            return self.told[index]
        return self.posted.get(index) if index >= self._start else self._ledger.reply(index)

    def post_replies(self, replies: Sequence[tuple[int, bytes]]) -> None:
        self._ledger.post_replies([item for item in replies if item[0] < self._start])
        self.posted.update(item for item in replies if item[0] >= self._start)


class Mirror:
    """A copy of a ledger's records in memory, for an auditor; change them at will."""

    def __init__(self, ledger: Operator) -> None:
        self.genesis = ledger.genesis
        self.rows = [list(row) for row in ledger.records(0, ledger.size)]
        self.published_checkpoint: str | None = None

    @property
    def size(self) -> int:
        return len(self.rows)

    def records(self, start: int, stop: int) -> Iterator[Any]:
        return (tuple(row) for row in self.rows[start:stop])

    def put(self, index: int, made: Submission) -> None:
        """Another submission at ``index``, with the evidence hash that belongs to it."""
        old = Entry.decode(self.rows[index][1])
        digest = digests.evidence_hash(made.evidence, made.memo)
        entry = Entry(old.timestamp_ms, digest, made.statement)
        self.rows[index][1:4] = [entry.encode(), made.evidence, made.memo]


def submit_bytes(path: str, data: bytes, now_ms: int) -> tuple[str, int]:
    """Another process: opens the ledger folder and submits; ("ok" or rule, index)."""
    with Operator.open(path, clock=lambda: now_ms) as ledger:
        try:
            receipt = ledger.submit(Submission.decode(data))
        except Refused as error:
            return error.rule, -1
        return "again" if receipt.duplicate else "ok", receipt.index


def submission(pending: Any) -> Submission:
    """What would be submitted for a pending step."""
    return Submission(Statement.decode(pending.statement), pending.evidence, pending.memo)


def without(circuit: str, *blocks: str) -> str:
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
        return Circuit.compile(text, {"K": buckets, "M": attributes, "bits": bits})

    def forged(terms: Terms) -> Circuit:
        return compiled(terms.due_buckets, terms.attributes, terms.amount_bits)

    def relation_for(kind: Kind, terms: Terms) -> Circuit:
        return forged(terms) if kind.name.lower() == circuit else real(kind, terms)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "relation_for", relation_for)
        # Nothing is kept from before, nor of the forged circuit afterwards.
        patch.setattr(relations, "_relation", relations._relation.__wrapped__)
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
