"""The holder's side: from the wallet's history to a proof of purchases."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from zkcredit.entries import BillingStatement, Kind, SpendStatement
from zkcredit.errors import CallerError, CheckFailed, Refused
from zkcredit.money import format_money
from zkcredit.purchases.messages import (
    ENTRIES_MAX,
    PurchasesProof,
    PurchasesRequest,
    Question,
    proof_context,
    read_request,
)
from zkcredit.purchases.relation import Commitments, circuit, labels
from zkcredit.purchases.weights import weighted_scalars
from zkcredit.tokens import tweak

if TYPE_CHECKING:
    from zkcredit._native import SecretScalar
    from zkcredit.keys import WalletKeys
    from zkcredit.ledger import LedgerView
    from zkcredit.ledger.registry import Registry
    from zkcredit.wallet.state import HistoryRow, Line


def learns(registry: Registry, request: PurchasesRequest, now_ms: int) -> list[str]:
    """In plain words what the verifier will learn; raises what :func:`read_request` raises."""
    question = read_request(registry, request, now_ms)
    terms = question.product.terms
    bound = format_money(request.below_minor, terms.currency, terms.minor_digits)
    amounts = {
        "amounts": "the amount of each of them",
        "sum": "their sum, but no single amount unless it is the only one",
        "average": f"that they cost less than {bound} on average, and nothing else of the amounts",
    }
    which = {
        "chosen": "which entries of the ledger are the purchases that you choose, and so their "
        "times",
        "all": "which entries of the ledger are all purchases of one of your lines, and its "
        "bills, and so their times",
    }
    words = [which[request.coverage], amounts[request.show]]
    if request.pseudonym:
        words.append(f"your pseudonym for {request.pseudonym[0]!r}, the same each time")
    return words


@dataclass(frozen=True, slots=True, repr=False)
class LinePurchases:
    """What a wallet knows of one line: its own secrets, the line and its history."""

    keys: WalletKeys
    line: Line
    history: Sequence[HistoryRow]

    def prove(
        self,
        ledger: LedgerView,
        request: PurchasesRequest,
        now_ms: int,
        entries: Sequence[int] | None = None,
    ) -> PurchasesProof:
        """Answers a request; ``entries`` are the indexes to show (default: all purchases).

        Refused: what :func:`read_request` refuses, ``other-terms``, ``unknown-purchase``,
        ``no-purchases``, ``not-billed``, ``opening-unknown``, or ``purchases.average`` if
        the mean is not below the bound. CallerError if some are chosen where all were asked for.
        """
        question = read_request(ledger.registry, request, now_ms)
        if self.line.terms_hash != request.terms_hash:
            raise Refused("other-terms", "the request is about terms of another line")
        rows = self._purchases(question, entries)
        bills = self._bills(question) if request.coverage == "all" else []
        if not rows and (not bills or request.show == "average"):
            raise Refused("no-purchases", "there are no purchases in these periods to speak about")
        if len(rows) + len(bills) > ENTRIES_MAX:
            raise Refused("too-many", f"a proof is about {ENTRIES_MAX} entries: choose fewer")
        return _Prover(question, self.keys, ledger, rows, bills).run()

    def _purchases(self, question: Question, entries: Sequence[int] | None) -> list[HistoryRow]:
        found = {
            row.index: row
            for row in self.history
            if row.kind == "spend" and row.period in question.periods
        }
        if entries is None:
            return [found[index] for index in sorted(found)]
        if question.request.coverage == "all":
            raise CallerError("all purchases of the periods are asked for: none can be chosen")
        unknown = set(entries) - set(found)
        if unknown:
            raise Refused("unknown-purchase", f"entry {min(unknown)} is no such purchase of yours")
        return [found[index] for index in sorted(set(entries))]

    def _bills(self, question: Question) -> list[HistoryRow]:
        found = {row.period: row for row in self.history if row.kind == "statement"}
        for period in question.periods:
            if period not in found:
                raise Refused("not-billed", f"this line has no bill of period {period}")
        return [found[period] for period in question.periods]


class _Prover:
    """One answer in the making."""

    def __init__(
        self,
        question: Question,
        keys: WalletKeys,
        ledger: LedgerView,
        rows: list[HistoryRow],
        bills: list[HistoryRow],
    ) -> None:
        self.question, self.keys, self.ledger = question, keys, ledger
        self.rows, self.bills = rows, bills
        fresh = secrets.token_bytes(32)
        self.rhos = [keys.seed.scalar("zkcredit v1 purchases", fresh + bytes([i])) for i in (0, 2)]
        self.openings = [_opening(row) for row in rows + bills]
        self.statements = [ledger.entry(row.index).statement for row in rows + bills]
        self.commitments = Commitments(
            nexts=[s.commitment for s in self.statements],  # type: ignore[attr-defined]
            claims=[s.claim for s in self.statements if isinstance(s, SpendStatement)],
            dues=[s.due_commitment for s in self.statements if isinstance(s, BillingStatement)],
        )

    def run(self) -> PurchasesProof:
        from zkcredit import _native

        question = self.question
        draft = self.draft()
        context, rests = proof_context(draft), self.commitments.rests(draft.holder)
        prover = _native.Prover(
            circuit(question, len(self.rows)),
            labels=labels(question),
            publics=self.commitments.publics(question, draft.amounts_minor, context),
            witness=self.witness(rests, context),
        )
        self.check(prover.points, self.commitments.points(question, rests, context))
        proof = prover.prove(question.request.ledger_id, context, self.keys.seed)
        return msgspec.structs.replace(draft, proof=proof)

    def check(self, points: dict[str, bytes], expected: dict[str, bytes]) -> None:
        """CheckFailed unless the witness opens what the ledger holds."""
        if any(points[name] != point for name, point in expected.items()):
            raise CheckFailed("the wallet's history does not open these entries of the ledger")

    def draft(self) -> PurchasesProof:
        """The answer without its proof."""
        from zkcredit._native import commit

        request, owner = self.question.request, self.keys.owner
        messages = [self.rhos[0], owner, self.rhos[1], self.openings[0].next.account]
        label = self.question.pseudonym_label
        amounts_minor = [row.amount_minor for row in self.rows]
        shown = {"amounts": amounts_minor, "sum": [sum(amounts_minor)], "average": []}
        return PurchasesProof(
            ledger_id=request.ledger_id,
            request=self.question.hash,
            entries=[row.index for row in self.rows],
            bills=[row.index for row in self.bills],
            amounts_minor=shown[request.show],
            holder=commit([(("H", position), value) for position, value in enumerate(messages)]),
            pseudonym=b"" if label is None else commit([(label, owner)]),
            proof=b"",
        )

    def witness(self, rests: Sequence[bytes], context: bytes) -> dict[str, Any]:
        """The witness, once the draft has fixed the weights of the ``rests``."""
        tokens = [opening.next for opening in self.openings]

        def weighted(values: Sequence[Any]) -> SecretScalar:
            return weighted_scalars(values, rests, context)

        terms = self.question.product.terms
        witness: dict[str, Any] = {
            "rho_holder": self.rhos[0],
            "rho_serial": self.rhos[1],
            "owner": self.keys.owner,
            "no_owner": 0,
            "no_account": 0,
            "account": tokens[0].account,
            "blind": weighted([_secret(token.blind) - self.rhos[0] for token in tokens]),
            "serial": weighted([serial - self.rhos[1] for serial in self._serials()]),
            "available": weighted([token.available_minor for token in tokens]),
            "due": [
                weighted([token.due_minor[j] for token in tokens]) for j in range(terms.due_buckets)
            ],
            "attr": [
                weighted([token.attributes[j] for token in tokens]) for j in range(terms.attributes)
            ],
        }
        if self.question.request.show == "average":
            witness["total"] = sum(row.amount_minor for row in self.rows)
        if self.rows:
            witness["rho_claims"] = self._rho_claims(context)
        if self.bills:
            witness["rho_bills"] = self._rho_bills()
        return witness

    def _serials(self) -> list[SecretScalar]:
        """The serials as committed, before the signer's tweak."""
        return [
            _secret(opening.next.serial)
            - tweak(statement.KIND, statement.nullifier, statement.commitment)  # type: ignore[attr-defined]
            for opening, statement in zip(self.openings, self.statements, strict=True)
        ]

    def _rho_claims(self, context: bytes) -> SecretScalar:
        rhos = [opening.rho for opening in self.openings[: len(self.rows)]]
        if self.question.request.show == "amounts":
            secret = [_secret(rho) for rho in rhos]
            return weighted_scalars(secret, self.commitments.claims, context)
        return _total(rhos)

    def _rho_bills(self) -> SecretScalar:
        kind = Kind.STATEMENT
        bills = self.statements[len(self.rows) :]
        nullifiers = [s.nullifier for s in bills if isinstance(s, BillingStatement)]
        return _total([self.keys.due_blinding(kind, n).expose() for n in nullifiers])


def _opening(row: HistoryRow) -> Any:
    if row.opening is None or (row.kind == "spend" and not row.opening.rho):
        raise Refused(
            "opening-unknown",
            f"entry {row.index} was found again without its memo, in which the wallet had kept "
            "what blinds its amount",
        )
    return row.opening


def _secret(data: bytes) -> SecretScalar:
    from zkcredit._native import SecretScalar

    return SecretScalar.from_bytes(data)


def _total(scalars: Sequence[bytes]) -> SecretScalar:
    from zkcredit._native import add_scalars

    return _secret(add_scalars(scalars))
