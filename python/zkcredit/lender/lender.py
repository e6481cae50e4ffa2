"""The lender: grants lines, signs tokens, bills, takes payments, pays merchants.

A lender keeps one database and one root seed. It signs only what it has verified
itself and frozen in its own table first; every call may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar, Unpack

from zkcredit import digests
from zkcredit.clock import system_clock
from zkcredit.entries import (
    KeyAction,
    OpenStatement,
    PeriodStatement,
    RefreshStatement,
    SpendStatement,
    TermsStatement,
)
from zkcredit.errors import CallerError, Refused, StateConflict, ZkCreditError
from zkcredit.issuing import Issuer
from zkcredit.keys import LenderKeys
from zkcredit.lender import billing, granting, history, onboarding, records, settling, signing
from zkcredit.lender.desk import Desk, cap_minor
from zkcredit.lender.signing import SignReport
from zkcredit.lender.store import (
    ACTIVE,
    ARREARS,
    CLOSED,
    CREDIT,
    DISPUTED,
    LIMIT,
    PAYMENT,
    Account,
    LenderStore,
)
from zkcredit.messages import (
    BillingDocument,
    OpenRequest,
    PayoutOrder,
    SettlementOpening,
    StatementOpening,
    Totals,
    UpdateOpening,
    UpdateReply,
    decode_message,
)

if TYPE_CHECKING:
    from zkcredit._native import Seed
    from zkcredit.credentials.schema import Value
    from zkcredit.ledger import LedgerView, Receipt
    from zkcredit.policies.policy import Policy
    from zkcredit.policies.request import PresentationRequest
    from zkcredit.purchases.messages import PurchasesRequest, Wish
    from zkcredit.records.bodies import BodyStore
    from zkcredit.records.disclosure import Record
    from zkcredit.records.documents import CreditAgreement, CreditReport
    from zkcredit.records.grants import Grant, Shared
    from zkcredit.records.recipients import Recipient
    from zkcredit.terms import Terms
    from zkcredit.tokens import Product


_T = TypeVar("_T")


class Lender(Issuer):
    """A lender on one ledger. ``clock`` gives Unix time in milliseconds."""

    _STORE = LenderStore

    def __init__(
        self, store: LenderStore, seed: Seed, clock: Callable[[], int] | None = None
    ) -> None:
        self._store: LenderStore = store
        self._clock = clock or system_clock
        self._desk: Desk = Desk(store, LenderKeys(seed), self._clock)

    # -- registration ----------------------------------------------------------------------

    def register(self, ledger: LedgerView) -> Receipt:
        """Registers name and key on a ledger, once; a lender belongs to one ledger."""
        return self._desk.register(ledger)

    def publish_terms(self, ledger: LedgerView, terms: Terms) -> bytes:
        """Publishes terms; returns their hash (32 bytes)."""
        issuer_id = self._desk.on(ledger)
        self._desk.submit(ledger, TermsStatement(issuer_id, terms.encode()))
        return digests.terms_hash(ledger.ledger_id, issuer_id, terms.encode())

    def open_period(self, ledger: LedgerView, terms_hash: bytes) -> int:
        """Opens the period after the current one under a key of its own; returns its number."""
        self._product(ledger, terms_hash)
        period = ledger.registry.current_period(terms_hash) + 1
        key = self._desk.keys.period_key(terms_hash, period).public_key
        self._desk.submit(ledger, PeriodStatement(terms_hash, period, KeyAction.OPEN, key))
        return period

    def close_period(self, ledger: LedgerView, terms_hash: bytes, period: int) -> list[Account]:
        """Closes a period; lines without its billing statement fall due and end (no-show).

        What is owed then is the credit last known as a whole, since purchases that were
        never billed are hidden: the limit of the line. Returns these accounts.
        Refused ``signatures-owed`` while this lender has not answered an open, spend or
        refresh of the period: nobody may lose a line by the lender's silence.
        """
        self._product(ledger, terms_hash)
        self._check_owed(ledger, terms_hash, period)
        self._desk.submit(ledger, PeriodStatement(terms_hash, period, KeyAction.CLOSE))
        absent = [
            account
            for account in self.accounts()
            if account.terms_hash == terms_hash
            and account.open_index is not None
            and account.period <= period
            and account.state != CLOSED
        ]
        for account in absent:
            account.state = CLOSED
            account.note = f"no billing statement of period {period}"
            account.balance_minor = max(account.limit_minor, account.balance_minor)
            account.minimum_minor = account.balance_minor
        with self._store.write():
            self._store.put_accounts(absent)
        return absent

    def _check_owed(self, ledger: LedgerView, terms_hash: bytes, period: int) -> None:
        refused = {index for index, _ in self._store.faults()}
        for index in ledger.unanswered(self.issuer_id):
            statement = ledger.entry(index).statement
            if not isinstance(statement, OpenStatement | SpendStatement | RefreshStatement):
                continue  # a bill whose opening never came cannot be answered
            same = (statement.terms_hash, statement.period) == (terms_hash, period)
            if same and index not in refused:
                raise Refused(
                    "signatures-owed", f"entry {index} waits for this lender: answer it first"
                )

    # -- granting and signing --------------------------------------------------------------

    def grant(
        self,
        ledger: LedgerView,
        request: OpenRequest,
        limit_minor: int,
        customer: str,
        attributes: Sequence[int] = (),
    ) -> Account:
        """Opens a line for a customer: checks and approves the request and submits it.

        :meth:`sign_pending` then signs the token. The same request again changes nothing.
        """
        offer = granting.Offer(request, limit_minor, customer, tuple(attributes))
        return _one(granting.grant_many(self._desk, ledger, [offer]))

    def grant_many(
        self, ledger: LedgerView, requests: Sequence[tuple[OpenRequest, int, str]]
    ) -> list[Account | ZkCreditError]:
        """Grants (request, limit_minor, customer) in one batch; each its own result."""
        offers = [granting.Offer(*item) for item in requests]
        return granting.grant_many(self._desk, ledger, offers)

    def set_onboarding(self, ledger: LedgerView, policy: Policy | None) -> None:
        """Asks newcomers for a presentation: one person, one line. See :mod:`onboarding`."""
        onboarding.set_policy(self._desk, ledger, policy)

    def onboarding_request(self, ledger: LedgerView) -> PresentationRequest:
        """What one newcomer has to answer, in :attr:`OpenRequest.presentation`."""
        return onboarding.ask(self._desk, ledger)

    def onboarded(self, account: int) -> dict[str, str] | None:
        """What the holder of an account revealed then, by ``alias.field``; None if nothing."""
        return onboarding.disclosed(self._desk, account)

    def sign_pending(self, ledger: LedgerView, *, rescan: bool = False) -> SignReport:
        """Answers all opens, spends and refreshes; see :func:`signing.sign_pending`."""
        return signing.sign_pending(self._desk, ledger, rescan=rescan)

    def faults(self) -> list[tuple[int, str]]:
        """Entries that this lender will not sign, and why."""
        return self._store.faults()

    # -- billing ---------------------------------------------------------------------------

    def statement(self, ledger: LedgerView, opening: StatementOpening) -> BillingDocument:
        """Answers one billing statement with a signed document."""
        return _one(billing.statements(self._desk, ledger, [opening]))

    def statements(
        self, ledger: LedgerView, openings: Sequence[StatementOpening]
    ) -> list[BillingDocument | ZkCreditError]:
        """Answers billing statements in one batch."""
        return billing.statements(self._desk, ledger, openings)

    def update(self, ledger: LedgerView, opening: UpdateOpening) -> UpdateReply:
        """Puts what was recorded for the account on its line."""
        return _one(billing.updates(self._desk, ledger, [opening]))

    def updates(
        self, ledger: LedgerView, openings: Sequence[UpdateOpening]
    ) -> list[UpdateReply | ZkCreditError]:
        """Answers updates in one batch."""
        return billing.updates(self._desk, ledger, openings)

    def record_payment(self, account: int, amount_minor: int, reference: str) -> bool:
        """Records money received; False if this reference was recorded before."""
        return self._record(account, PAYMENT, amount_minor, reference)

    def record_credit(self, account: int, amount_minor: int, reference: str) -> bool:
        """Records a refund or goodwill; False if this reference was recorded before."""
        return self._record(account, CREDIT, amount_minor, reference)

    def _record(self, number: int, kind: str, amount_minor: int, reference: str) -> bool:
        if amount_minor < 1:
            raise CallerError("a payment or credit must be at least one minor unit")
        with self._store.write():
            account = self._store.account(number)
            known = self._store.movement(number, kind, reference)
            if known is not None:
                if known.amount_minor != amount_minor:
                    raise StateConflict(f"{kind} {reference!r} was recorded with another amount")
                return False
            self._check_cap(account, account.limit_minor, amount_minor)
            return self._store.add_movement(number, kind, amount_minor, reference, self._clock())

    def change_limit(self, account: int, limit_minor: int, reference: str) -> bool:
        """Agrees a new limit; it reaches the line with its next statement or update."""
        if limit_minor < 0:
            raise CallerError("a limit cannot be negative")
        with self._store.write():
            found = self._store.account(account)
            if self._store.movement(account, LIMIT, reference) is not None:
                return False
            self._check_cap(found, limit_minor, 0)
            change_minor = limit_minor - found.limit_minor
            if found.open_index is not None:
                self._store.add_movement(account, LIMIT, change_minor, reference, self._clock())
            found.limit_minor = limit_minor
            self._store.put_accounts([found])
        return True

    def _check_cap(self, account: Account, limit_minor: int, more_minor: int) -> None:
        """Limit and credits of a token must stay below 2^bits."""
        terms = self._desk.terms(account.terms_hash)
        listed = self._store.undocumented([account.number]).get(account.number, [])
        credit_minor = sum(m.amount_minor for m in listed if m.kind != LIMIT) + more_minor
        if limit_minor - account.balance_minor + credit_minor > cap_minor(terms):
            raise Refused(
                "over-bits",
                f"limit and credits would exceed {terms.format(cap_minor(terms))}",
            )

    # -- accounts --------------------------------------------------------------------------

    def account(self, number: int) -> Account:
        """One account; CallerError if there is none."""
        return self._store.account(number)

    def accounts(self) -> list[Account]:
        """All accounts by number."""
        return self._store.accounts()

    def documents(self, account: int | None = None) -> list[BillingDocument]:
        """Billing documents of one account or all."""
        rows = self._store.documents(account)
        return [decode_message(body, BillingDocument) for body, _ in rows]

    def payouts(self) -> list[PayoutOrder]:
        """Payout orders given so far."""
        return [decode_message(body, PayoutOrder) for body in self._store.payouts()]

    def owed_minor(self, account: int) -> int:
        """Balance of the last document less payments and credits since."""
        return history.owed_minor(self._desk, self._store.account(account))

    def credit_history(self, account: int) -> dict[str, Value]:
        """Values of a ``credit-history`` credential about an account, as of now.

        See :func:`history.credit_history`; issue it with a
        :class:`~zkcredit.credentials.issuer.CredentialIssuer` on this lender's seed and name.
        """
        return history.credit_history(self._desk, account)

    def dispute(self, account: int, reason: str) -> Account:
        """Marks a customer's dispute: interest and late fees are waived until it is resolved."""
        return self._set_state(account, DISPUTED, reason)

    def resolve(self, account: int) -> Account:
        """Ends a dispute."""
        found = self._store.account(account)
        if found.state != DISPUTED:
            raise StateConflict(f"account {account} is not disputed")
        return self._set_state(account, ARREARS if found.arrears_minor else ACTIVE, "")

    def close_account(self, account: int) -> Account:
        """Ends a line: its limit falls to 0 with the next statement or update."""
        if self._store.account(account).state == CLOSED:
            raise StateConflict(f"account {account} is closed already")
        self.change_limit(account, 0, "close")
        return self._set_state(account, CLOSED, "closed by the lender")

    def _set_state(self, number: int, state: str, note: str) -> Account:
        with self._store.write():
            account = self._store.account(number)
            if account.state == CLOSED or account.open_index is None:
                raise StateConflict(f"account {number} is {account.state}")
            account.state, account.note = state, note
            self._store.put_accounts([account])
        return account

    # -- records ---------------------------------------------------------------------------

    def agreement(self, ledger: LedgerView, account: int) -> CreditAgreement:
        """The signed agreement of an account; the same one until its limit changes."""
        return records.agreement(self._desk, ledger, account)

    def report(self, ledger: LedgerView, account: int) -> CreditReport:
        """A new signed credit report on an account, as of now."""
        return records.report(self._desk, ledger, account)

    def anchor_records(self, ledger: LedgerView) -> list[int]:
        """Anchors all bills, agreements and reports that are not on the log yet.

        One entry for each 4,096; returns their indexes, and may be repeated.
        """
        return records.anchor(self._desk, ledger)

    def records(self, ledger: LedgerView, account: int, kind: str | None = None) -> list[Record]:
        """Anchored records of an account, of one kind or all, oldest first, for its holder."""
        return records.records(self._desk, ledger, account, kind)

    def recipient(self, ledger: LedgerView) -> Recipient:
        """The signed public key for which holders seal records for this lender."""
        return records.recipient(self._desk, ledger)

    def open_grant(
        self, ledger: LedgerView, grant: Grant, bodies: BodyStore, *, purpose: str
    ) -> Shared:
        """Opens and checks what a holder has shared with this lender; see ``open_grant``."""
        return records.open_shared(self._desk, ledger, grant, bodies, purpose)

    # -- purchases -------------------------------------------------------------------------

    def ask_purchases(
        self,
        ledger: LedgerView,
        terms_hash: bytes,
        periods: tuple[int, int],
        *,
        valid_ms: int,
        **wish: Unpack[Wish],
    ) -> PurchasesRequest:
        """Asks a holder to prove purchases; see ``zkcredit.purchases.messages.make_request``."""
        from zkcredit.purchases.messages import make_request

        party = (self._desk.keys.bls, self._desk.on(ledger))
        until_ms = self._clock() + valid_ms
        return make_request(
            ledger.registry, *party, terms_hash, periods, valid_until_ms=until_ms, **wish
        )

    # -- merchants, auditors ---------------------------------------------------------------

    def settlement(self, ledger: LedgerView, opening: SettlementOpening) -> PayoutOrder:
        """Checks a merchant's settlement and promises the payout."""
        return settling.settlement(self._desk, ledger, opening)

    def totals(self, ledger: LedgerView) -> Totals:
        """What the auditor needs to check all bills against the log."""
        return settling.totals(self._desk, ledger)

    # -- inside ----------------------------------------------------------------------------

    def _product(self, ledger: LedgerView, terms_hash: bytes) -> Product:
        self._desk.on(ledger)
        return self._desk.product(ledger.registry, terms_hash)


def _one(results: Sequence[_T | ZkCreditError]) -> _T:
    result = results[0]
    if isinstance(result, ZkCreditError):
        raise result
    return result
