"""Proving one step of a line: from a token to a statement, a proof and the next token.

Pure functions of token, secrets and ledger registry; nothing is stored or sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zkcredit import digests
from zkcredit.entries import (
    BillingStatement,
    Kind,
    OpenStatement,
    RefreshStatement,
    SpendStatement,
    Statement,
    UpdateStatement,
)
from zkcredit.messages import Invoice, signing_digest
from zkcredit.sealing import Memo
from zkcredit.tokens import Product, claim_commitment, signed_period, tweak
from zkcredit.wallet.state import Pending, Token

if TYPE_CHECKING:
    from zkcredit._native import Prover, SecretScalar
    from zkcredit.keys import WalletKeys
    from zkcredit.ledger.registry import Registry


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a spend needs of an invoice; ``rho`` (32 bytes) blinds the claim."""

    amount_minor: int
    rho: bytes
    payee: bytes
    invoice_hash: bytes
    merchant_id: bytes
    not_after_ms: int
    plan: int
    label: str

    @staticmethod
    def of(invoice: Invoice, merchant: str, plan: int) -> Purchase:
        """The purchase that an invoice of this merchant asks for, in ``plan`` parts."""
        return Purchase(
            amount_minor=invoice.amount_minor,
            rho=bytes(invoice.rho),
            payee=bytes(invoice.payee),
            invoice_hash=signing_digest(invoice),
            merchant_id=bytes(invoice.merchant_id),
            not_after_ms=invoice.not_after_ms,
            plan=plan,
            label=f"{merchant}: {invoice.label}",
        )


class Steps:
    """Proves steps of lines of one product for the holder of ``keys``."""

    def __init__(self, registry: Registry, terms_hash: bytes, keys: WalletKeys) -> None:
        self.registry = registry
        self.product = Product.find(registry, terms_hash)
        self.terms = self.product.terms
        self.keys = keys

    def open(self, ordinal: int, period: int, label: str) -> Pending:
        """The request for line ``ordinal``; the token still lacks what the lender adds."""
        from zkcredit._native import Prover
        from zkcredit.relations import relation_for

        product, terms = self.product, self.terms
        blind, serial = self.keys.open_pair(product.terms_hash, ordinal)
        witness = {
            "blind": blind,
            "owner": self.keys.owner,
            "serial": serial,
            "rho_owner": self.keys.owner_blinding(product.terms_hash, ordinal),
        }
        prover = Prover(relation_for(Kind.OPEN, terms), witness=witness)
        points = prover.points
        statement = OpenStatement(product.terms_hash, period, points["next"], points["owner_tag"])
        token = self._next(Kind.OPEN, (blind, serial), b"", points["next"], period=period)
        return self._pending(prover, statement, token, Memo(label=label))

    def open_commitment(self, ordinal: int) -> bytes:
        """C′ of line ``ordinal``'s open entry (48 bytes), without a proof."""
        from zkcredit._native import commit

        blind, serial = self.keys.open_pair(self.product.terms_hash, ordinal)
        return commit([(("H", 0), blind), (("H", 1), self.keys.owner), (("H", 2), serial)])

    def spend(self, token: Token, purchase: Purchase) -> Pending:
        """A purchase; the caller has checked amount, credit and plan."""
        amount_minor = purchase.amount_minor
        claim = claim_commitment(self.product.value_label, amount_minor, purchase.rho)
        pair = self.keys.spend_pair(token.serial, purchase.payee, claim, purchase.plan)
        parts = self.terms.plan_parts(amount_minor, purchase.plan)
        due = [old + part for old, part in zip(token.due_minor, parts, strict=True)]
        witness: dict[str, Any] = {
            "available_next": token.available_minor - amount_minor,
            "due_next": due,
            "amount": amount_minor,
            "rho": purchase.rho,
        }
        if self.terms.due_buckets > 1:
            witness["part"] = parts
        prover = self._prover(Kind.SPEND, token, pair, witness)
        points = prover.points
        statement = SpendStatement(
            self.product.terms_hash,
            token.period,
            token.serial,
            points["next"],
            points["claim"],
            purchase.payee,
            purchase.invoice_hash,
            purchase.not_after_ms,
        )
        after = self.after_spend(token, pair, points["next"], amount_minor, purchase.plan)
        memo = Memo(amount_minor, purchase.plan, purchase.label, purchase.rho)
        pending = self._pending(prover, statement, after, memo)
        pending.invoice_hash, pending.rho = purchase.invoice_hash, purchase.rho
        pending.merchant_id = purchase.merchant_id
        return pending

    def after_spend(
        self,
        token: Token,
        pair: tuple[SecretScalar, SecretScalar],
        commitment: bytes,
        amount_minor: int,
        plan: int,
    ) -> Token:
        """The token that a purchase leads to, unsigned."""
        parts = self.terms.plan_parts(amount_minor, plan)
        return self._next(
            Kind.SPEND,
            pair,
            token.serial,
            commitment,
            period=token.period,
            account=token.account,
            available_minor=token.available_minor - amount_minor,
            due_minor=[old + part for old, part in zip(token.due_minor, parts, strict=True)],
            attributes=token.attributes,
        )

    def refresh(self, token: Token) -> Pending:
        """The same token under a new serial."""
        pair = self.keys.step_pair(Kind.REFRESH, token.serial, token.period)
        prover = self._prover(Kind.REFRESH, token, pair, {})
        point = prover.points["next"]
        statement = RefreshStatement(self.product.terms_hash, token.period, token.serial, point)
        after = self.after_step(Kind.REFRESH, token, point)
        return self._pending(prover, statement, after, Memo())

    def update(self, token: Token) -> Pending:
        """A step in which the lender may adjust the line."""
        pair = self.keys.step_pair(Kind.UPDATE, token.serial, token.period)
        rho_tag = self.keys.tag_blinding(Kind.UPDATE, token.serial)
        prover = self._prover(Kind.UPDATE, token, pair, {"rho_tag": rho_tag})
        points = prover.points
        statement = UpdateStatement(
            self.product.terms_hash, token.period, token.serial, points["next"], points["tag"]
        )
        after = self.after_step(Kind.UPDATE, token, points["next"])
        return self._pending(prover, statement, after, Memo())

    def statement(self, token: Token) -> Pending:
        """The billing statement of the token's period; leads into the next period."""
        kind = Kind.STATEMENT
        pair = self.keys.step_pair(kind, token.serial, token.period)
        witness = {
            "due_next": [*token.due_minor[1:], 0],
            "rho_tag": self.keys.tag_blinding(kind, token.serial),
            "rho_due": self.keys.due_blinding(kind, token.serial),
        }
        prover = self._prover(kind, token, pair, witness)
        points = prover.points
        statement = BillingStatement(
            self.product.terms_hash,
            token.period,
            token.serial,
            points["next"],
            points["tag"],
            points["due"],
        )
        after = self.after_step(kind, token, points["next"])
        return self._pending(prover, statement, after, Memo(token.due_minor[0]))

    def after_step(self, kind: Kind, token: Token, commitment: bytes) -> Token:
        """The token that a refresh, update or statement leads to, unsigned."""
        billed = kind is Kind.STATEMENT
        return self._next(
            kind,
            self.keys.step_pair(kind, token.serial, token.period),
            token.serial,
            commitment,
            period=signed_period(kind, token.period),
            account=token.account,
            available_minor=token.available_minor,
            due_minor=[*token.due_minor[1:], 0] if billed else token.due_minor,
            attributes=token.attributes,
        )

    def after_open(self, ordinal: int, commitment: bytes, period: int) -> Token:
        """The token that an open entry leads to, unsigned and without the lender's part."""
        pair = self.keys.open_pair(self.product.terms_hash, ordinal)
        return self._next(Kind.OPEN, pair, b"", commitment, period=period)

    def commitment_of(self, after: Token, pair: tuple[SecretScalar, SecretScalar]) -> bytes:
        """C′ (48 bytes): the content of ``after`` with the untweaked secrets of ``pair``."""
        from zkcredit._native import commit

        messages: list[Any] = [pair[0], self.keys.owner, pair[1], after.account]
        messages += [after.available_minor, *after.due_minor, *after.attributes]
        return commit([(("H", position), value) for position, value in enumerate(messages)])

    def verify(self, token: Token) -> None:
        """Checks the issuer's signature on exactly this token; ProofRefused otherwise."""
        from zkcredit._native import verify_messages

        key = self.registry.period(self.product.terms_hash, token.period).bbs_key
        header = self.product.header(token.period)
        verify_messages(key, header, token.messages(self.keys.owner), token.signature)

    def _prover(
        self,
        kind: Kind,
        token: Token,
        pair: tuple[SecretScalar, SecretScalar],
        extra: dict[str, Any],
    ) -> Prover:
        from zkcredit._native import Prover
        from zkcredit.relations import relation_for

        key = self.registry.period(self.product.terms_hash, token.period).bbs_key
        labelled = kind in (Kind.SPEND, Kind.STATEMENT)
        return Prover(
            relation_for(kind, self.terms),
            keys=[(key, self.product.header(token.period))],
            signatures=[token.signature],
            labels={"value": self.product.value_label} if labelled else {},
            publics={"nullifier": token.serial},
            witness={
                "blind": token.blind,
                "owner": self.keys.owner,
                "account": token.account,
                "available": token.available_minor,
                "due": token.due_minor,
                "attr": token.attributes,
                "blind_next": pair[0],
                "serial_next": pair[1],
                **extra,
            },
        )

    def _next(
        self,
        kind: Kind,
        pair: tuple[SecretScalar, SecretScalar],
        nullifier: bytes,
        commitment: bytes,
        *,
        period: int,
        account: int = 0,
        available_minor: int = 0,
        due_minor: list[int] | None = None,
        attributes: list[int] | None = None,
    ) -> Token:
        return Token(
            period=period,
            blind=pair[0].expose(),
            serial=(pair[1] + tweak(kind, nullifier, commitment)).expose(),
            account=account,
            available_minor=available_minor,
            due_minor=[0] * self.terms.due_buckets if due_minor is None else due_minor,
            attributes=[] if attributes is None else attributes,
        )

    def _pending(self, prover: Prover, statement: Statement, after: Token, memo: Memo) -> Pending:
        encoded = statement.encode()
        sealed = memo.seal(self.keys.memo_key(encoded), encoded)
        context = digests.engine_context(encoded, sealed)
        return Pending(
            kind=int(statement.KIND),
            statement=encoded,
            evidence=prover.prove(self.registry.ledger_id, context, self.keys.seed),
            memo=sealed,
            next=after,
            amount_minor=memo.amount_minor,
            plan=memo.plan,
            label=memo.label,
        )
