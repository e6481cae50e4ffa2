"""The merchant: writes invoices, watches for its claims, settles them in groups.

The merchant knows each claim byte for byte before it is paid: amount and blinding
come from its own invoice. Whoever pays submits to the ledger directly; the
merchant reads the log and takes only claims it can open.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self, Unpack

import msgspec

from zkcredit import digests
from zkcredit.clock import system_clock
from zkcredit.entries import (
    CLAIMS_MAX,
    MerchantStatement,
    SpendStatement,
    Statement,
    Submission,
)
from zkcredit.errors import CallerError, Refused, StateConflict
from zkcredit.keys import MerchantKeys, WalletKeys, new_phrase, normalise_phrase, seed_from_phrase
from zkcredit.merchant import settling
from zkcredit.merchant.disclosure import Inquiries
from zkcredit.merchant.state import (
    ACCEPTED_MAX,
    EXPIRED,
    OPEN,
    PAID,
    SETTLE_MIN,
    SETTLED,
    UNDISCLOSED,
    VALID_MS,
    WRONG,
    MerchantState,
    Sale,
    decode_state,
)
from zkcredit.messages import (
    Invoice,
    PayoutOrder,
    SettlementOpening,
    Totals,
    TotalsRow,
    decode_message,
    encode_message,
    signed,
    signing_digest,
    unsigned,
)
from zkcredit.tokens import claim_commitment

if TYPE_CHECKING:
    from zkcredit._native import Seed
    from zkcredit.credentials.holder import CredentialBook
    from zkcredit.ledger import LedgerView, Receipt
    from zkcredit.policies.policy import Policy
    from zkcredit.policies.presentation import Presentation
    from zkcredit.policies.request import PresentationRequest
    from zkcredit.policies.verify import Disclosure
    from zkcredit.purchases.messages import PurchasesRequest, Wish
    from zkcredit.records.bodies import BodyStore
    from zkcredit.records.grants import Grant, Shared
    from zkcredit.records.recipients import Recipient
    from zkcredit.service.signatures import RequestSigner


class Merchant:
    """A merchant on one ledger; :meth:`dump` is what belongs into a vault."""

    def __init__(
        self, state: MerchantState, seed: Seed, clock: Callable[[], int] | None = None
    ) -> None:
        self._state = state
        self._keys = MerchantKeys(seed)
        self._clock = clock or system_clock
        self._inquiries = Inquiries(state, self._keys, self._clock)
        self._by_payee = {sale.payee: sale for sale in state.sales}

    def __repr__(self) -> str:
        return f"Merchant({self.name!r})"

    def __reduce__(self) -> str:
        raise CallerError("a merchant cannot be pickled; use dump()")

    @classmethod
    def create(cls, name: str, clock: Callable[[], int] | None = None) -> Self:
        """A new merchant under a fresh 24-word phrase; ``name`` is 1..64 bytes."""
        phrase = normalise_phrase(new_phrase())
        seed = seed_from_phrase(phrase)
        return cls(_fresh(seed, name, phrase), seed, clock)

    @classmethod
    def from_seed(cls, seed: Seed, name: str, clock: Callable[[], int] | None = None) -> Self:
        """A new merchant under a bare root secret."""
        return cls(_fresh(seed, name, None), seed, clock)

    @classmethod
    def load(cls, data: bytes, clock: Callable[[], int] | None = None) -> Self:
        """The merchant that :meth:`dump` wrote; MalformedInput for anything else."""
        from zkcredit._native import Seed

        state = decode_state(data)
        return cls(state, Seed.from_bytes(state.root), clock)

    def dump(self) -> bytes:
        """Secrets and state in the clear, for :class:`zkcredit.vault.Vault` only."""
        return msgspec.msgpack.encode(self._state)

    @property
    def phrase(self) -> str | None:
        """The 24 words of the merchant's secrets."""
        return self._state.phrase

    @property
    def name(self) -> str:
        """The merchant's name, as registered."""
        return self._state.name

    @property
    def merchant_id(self) -> bytes:
        """Identifier on the ledger (32 bytes); CallerError before :meth:`register`."""
        if not self._state.merchant_id:
            raise CallerError("the merchant is not registered on a ledger yet")
        return self._state.merchant_id

    def request_signer(self) -> RequestSigner:
        """What signs HTTP requests to a ledger's service; CallerError before :meth:`register`."""
        from zkcredit.service.signatures import RequestSigner

        return RequestSigner(self._keys, self.merchant_id)

    @property
    def sales(self) -> list[Sale]:
        """All invoices with their state, for reading."""
        return list(self._state.sales)

    # -- registration, invoices ------------------------------------------------------------

    def register(self, ledger: LedgerView) -> Receipt:
        """Registers name and key on a ledger, once; a merchant belongs to one ledger."""
        if self._state.ledger_id not in (b"", ledger.ledger_id):
            raise StateConflict("this merchant is registered on another ledger")
        bls = self._keys.bls
        statement = MerchantStatement(bls.public_key, self.name)
        digest = digests.registration_digest(ledger.ledger_id, statement.encode())
        evidence = bls.prove_possession() + bls.sign(digest)
        receipt = ledger.submit(Submission(statement, evidence))
        self._state.ledger_id = ledger.ledger_id
        self._state.merchant_id = digests.merchant_id(ledger.ledger_id, statement.encode())
        return receipt

    def invoice(
        self,
        ledger: LedgerView,
        amount_minor: int,
        currency: str,
        label: str,
        *,
        accepted: list[bytes] | None = None,
        valid_ms: int = VALID_MS,
        policy: Policy | None = None,
        variables: Mapping[str, str] | None = None,
        verified: bool = False,
    ) -> Invoice:
        """A signed invoice; keep the merchant's state before handing it out.

        ``accepted`` are terms hashes, by default all terms in this currency on the
        ledger. With ``policy`` the buyer has to answer :meth:`request_of` too, or the sale
        becomes ``undisclosed``. ``verified`` shows the merchant's business credential.
        Refused ``no-terms``, ``no-credential``, or what is wrong with the policy.
        """
        self._on(ledger)
        if accepted is None:
            published = ledger.registry.terms.values()
            accepted = [x.hash for x in published if x.terms.currency == currency]
        if not accepted:
            raise Refused("no-terms", f"no lender on this ledger has terms in {currency}")
        for terms_hash in accepted:
            if ledger.registry.published(terms_hash).terms.currency != currency:
                raise CallerError("accepted terms are in another currency")
        nonce = secrets.token_bytes(32)
        payee_key = settling.payee_key(self._keys, nonce)
        draft = unsigned(
            Invoice,
            ledger_id=ledger.ledger_id,
            merchant_id=self.merchant_id,
            amount_minor=_positive(amount_minor),
            currency=currency,
            rho=self._keys.rho(nonce).expose(),
            payee=digests.payee_hash(payee_key),
            accepted=accepted[:ACCEPTED_MAX],
            not_after_ms=self._clock() + valid_ms,
            nonce=nonce,
            label=label,
        )
        invoice = signed(draft, self._keys.bls.sign(signing_digest(draft)))
        if verified:
            invoice = self._verified(ledger, invoice)
        self._remember(ledger, invoice, policy, variables)
        return invoice

    def _verified(self, ledger: LedgerView, invoice: Invoice) -> Invoice:
        from zkcredit.policies.business import with_business

        held, keys = self._state.credentials, WalletKeys(self._keys.seed)
        return with_business(ledger.registry, invoice, held, keys, self._clock())

    def invoice_of(self, number: int) -> Invoice:
        """The invoice of a sale again; CallerError if there is none with this number."""
        return decode_message(self._sale(number).invoice, Invoice)

    def _sale(self, number: int) -> Sale:
        for sale in self._state.sales:
            if sale.number == number:
                return sale
        raise CallerError(f"there is no sale {number}")

    def _remember(
        self,
        ledger: LedgerView,
        invoice: Invoice,
        policy: Policy | None,
        variables: Mapping[str, str] | None,
    ) -> None:
        sale = Sale(
            number=len(self._state.sales) + 1,
            invoice=encode_message(invoice),
            invoice_hash=signing_digest(invoice),
            nonce=invoice.nonce,
            amount_minor=invoice.amount_minor,
            currency=invoice.currency,
            label=invoice.label,
            payee=invoice.payee,
            not_after_ms=invoice.not_after_ms,
        )
        if policy is not None:
            self._inquiries.ask(ledger.registry, policy, variables, sale)
        self._state.sales.append(sale)
        self._by_payee[sale.payee] = sale

    # -- presentations ---------------------------------------------------------------------

    @property
    def credentials(self) -> CredentialBook:
        """The merchant's own credentials, such as ``business``; its seed is their owner."""
        from zkcredit.credentials.holder import CredentialBook

        return CredentialBook(self._state.credentials, WalletKeys(self._keys.seed))

    def request(
        self, ledger: LedgerView, policy: Policy, variables: Mapping[str, str] | None = None
    ) -> PresentationRequest:
        """Asks somebody to show and prove what a policy says, without a purchase."""
        self._on(ledger)
        return self._inquiries.ask(ledger.registry, policy, variables)

    def request_of(self, number: int) -> PresentationRequest:
        """What the buyer of a sale has to show and prove; CallerError if nothing."""
        return self._inquiries.request_of(self._sale(number))

    def read_presentation(self, ledger: LedgerView, data: bytes) -> Presentation:
        """The answer to one of the merchant's requests in a file, JSON or CBOR; not verified."""
        self._on(ledger)
        return self._inquiries.read(ledger.registry, data)

    def verify_presentation(self, ledger: LedgerView, presentation: Presentation) -> Disclosure:
        """Verifies the answer to one of the merchant's requests and keeps what it discloses.

        See :meth:`~zkcredit.merchant.disclosure.Inquiries.accept`.
        """
        self._on(ledger)
        return self._inquiries.accept(ledger.registry, presentation)

    def disclosed(self, number: int) -> Disclosure | None:
        """What was disclosed for a sale so far."""
        return self._inquiries.disclosed(self._sale(number))

    # -- watching --------------------------------------------------------------------------

    def check(self, ledger: LedgerView) -> list[Sale]:
        """Reads the log's new entries and returns the sales that were paid in them.

        StateConflict if the log is shorter than what was read before.
        """
        self._on(ledger)
        size = ledger.size
        if size < self._state.cursor:
            raise StateConflict("the ledger is shorter than before: it was rolled back")
        paid = []
        for index, entry in ledger.entries(self._state.cursor, size):
            statement = entry.statement
            if isinstance(statement, SpendStatement):
                sale = self._by_payee.get(statement.payee)
                if sale is not None and self._take(ledger, sale, index, statement):
                    paid.append(sale)
        self._state.cursor = size
        now_ms = self._clock()
        for sale in self._state.sales:
            if sale.state == OPEN and now_ms > sale.not_after_ms:
                sale.state = EXPIRED
        return paid

    def _take(self, ledger: LedgerView, sale: Sale, index: int, statement: SpendStatement) -> bool:
        """Whether the entry pays the sale: V byte for byte, terms, invoice, time limit."""
        if sale.state not in (OPEN, EXPIRED):
            return False
        published = ledger.registry.published(statement.terms_hash)
        label = digests.value_label(published.issuer_id, sale.currency)
        expected = claim_commitment(label, sale.amount_minor, self._keys.rho(sale.nonce))
        sale.claim_index, sale.claim = index, statement.claim
        sale.commitment = statement.commitment
        sale.issuer_id, sale.terms_hash = published.issuer_id, statement.terms_hash
        accepted = decode_message(sale.invoice, Invoice).accepted
        good = (
            statement.claim == expected
            and statement.invoice_hash == sale.invoice_hash
            and statement.not_after_ms == sale.not_after_ms
            and statement.terms_hash in accepted
        )
        sale.state = self._inquiries.paid_state(sale) if good else WRONG
        return good

    # -- settling --------------------------------------------------------------------------

    def settle(
        self,
        ledger: LedgerView,
        reference: str,
        *,
        force: bool = False,
        save: Callable[[], None] | None = None,
    ) -> list[SettlementOpening]:
        """Settles all paid claims; the openings go to their lenders, and to nobody else.

        One settlement for each lender, currency and fee, of at most 1,024 claims.
        Groups of fewer than five claims wait (Refused ``too-few-claims`` if nothing
        else can be settled) unless ``force``. ``reference`` (1..64 bytes) tells the lender
        where to pay. ``save`` is called before anything is submitted.
        """
        self._on(ledger)
        self.check(ledger)
        taken = {index for x in self._state.settlements for index in x.claims}
        groups = settling.groups(ledger, self._state.sales, taken)
        ready = [group for group in groups if force or len(group) >= SETTLE_MIN]
        pending = [x for x in self._state.settlements if x.index is None]
        if not ready and not pending:
            count = sum(map(len, groups))
            if count == 0:
                return []
            raise Refused(
                "too-few-claims",
                f"{count} claims are few: settling them now shows which purchases belong "
                "together; wait for more or force it",
            )
        for group in ready:
            for chunk in settling.chunks(group, CLAIMS_MAX):
                made = settling.prove_settlement(
                    self._keys, ledger.ledger_id, self.merchant_id, chunk, reference
                )
                self._state.settlements.append(made)
        if save is not None:
            save()
        return self._submit_settlements(ledger)

    def _submit_settlements(self, ledger: LedgerView) -> list[SettlementOpening]:
        made = []
        for settlement in self._state.settlements:
            if settlement.index is not None:
                continue
            statement = Statement.decode(settlement.statement)
            receipt = ledger.submit(Submission(statement, settlement.evidence))
            settlement.index = receipt.index
            draft = decode_message(settlement.opening, SettlementOpening)
            draft = msgspec.structs.replace(draft, entry_index=receipt.index)
            opening = signed(draft, self._keys.bls.sign(signing_digest(draft)))
            settlement.opening = encode_message(opening)
            settled = set(settlement.claims)
            for sale in self._state.sales:
                if sale.claim_index in settled:
                    sale.state, sale.settle_index = SETTLED, receipt.index
            made.append(opening)
        return made

    def settlement_openings(self) -> list[SettlementOpening]:
        """Openings of all settlements on the ledger, for lenders that have not answered."""
        return [
            decode_message(settlement.opening, SettlementOpening)
            for settlement in self._state.settlements
            if settlement.index is not None and not settlement.payout
        ]

    def accept_payout(self, ledger: LedgerView, order: PayoutOrder) -> PayoutOrder:
        """Checks a lender's payout order against the own settlement and keeps it.

        Refused ``unknown-settlement``, ``bad-signature`` or ``bad-payout``.
        """
        self._on(ledger)
        found = [x for x in self._state.settlements if x.index == order.entry_index]
        if not found or order.ledger_id != ledger.ledger_id:
            raise Refused("unknown-settlement", f"no settlement at entry {order.entry_index}")
        settling.check_payout(ledger, decode_message(found[0].opening, SettlementOpening), order)
        found[0].payout = encode_message(order)
        return order

    def payouts(self) -> list[PayoutOrder]:
        """Payout orders received."""
        found = [x.payout for x in self._state.settlements if x.payout]
        return [decode_message(payout, PayoutOrder) for payout in found]

    def totals(self) -> Totals:
        """Σ amount and Σ rho of all claims taken, for each lender and currency."""
        from zkcredit._native import add_scalars

        groups: dict[tuple[bytes, str], list[Sale]] = {}
        for sale in self._state.sales:
            if sale.state in (PAID, UNDISCLOSED, SETTLED):
                groups.setdefault((sale.issuer_id, sale.currency), []).append(sale)
        rows = [
            TotalsRow(
                role="merchant",
                issuer_id=issuer_id,
                asset=asset,
                sum_minor=sum(sale.amount_minor for sale in sales),
                sum_rho=add_scalars([self._keys.rho(sale.nonce).expose() for sale in sales]),
                indexes=sorted(x.claim_index for x in sales if x.claim_index is not None),
            )
            for (issuer_id, asset), sales in sorted(groups.items())
        ]
        return Totals(ledger_id=self._state.ledger_id, rows=rows)

    # -- records ---------------------------------------------------------------------------

    def recipient(self, ledger: LedgerView) -> Recipient:
        """The signed public key for which holders seal records for this merchant."""
        from zkcredit.records.recipients import MERCHANT, RecipientKey

        self._on(ledger)
        party = (self.merchant_id, self.name)
        key = RecipientKey.derive(self._keys.seed)
        return key.registered(ledger.ledger_id, MERCHANT, party, self._keys.bls)

    def open_grant(
        self, ledger: LedgerView, grant: Grant, bodies: BodyStore, *, purpose: str
    ) -> Shared:
        """Opens and checks what a holder has shared with this merchant; see ``open_grant``."""
        from zkcredit.records.grants import open_grant
        from zkcredit.records.recipients import RecipientKey

        key = RecipientKey.derive(self._keys.seed)
        return open_grant(ledger, grant, key, bodies, purpose=purpose, now_ms=self._clock())

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

        self._on(ledger)
        until_ms = self._clock() + valid_ms
        party = (self._keys.bls, self.merchant_id)
        return make_request(
            ledger.registry, *party, terms_hash, periods, valid_until_ms=until_ms, **wish
        )

    # -- inside ----------------------------------------------------------------------------

    def _on(self, ledger: LedgerView) -> None:
        if self._state.ledger_id != ledger.ledger_id:
            raise StateConflict("this merchant is not registered on this ledger")


def _fresh(seed: Seed, name: str, phrase: str | None) -> MerchantState:
    MerchantStatement(bytes(48), name)  # refuses a bad name at once
    return MerchantState(phrase=phrase, root=seed.expose(), name=name)


def _positive(amount_minor: int) -> int:
    if not 1 <= amount_minor < 1 << 63:
        raise CallerError("an invoice must be over at least one minor unit")
    return amount_minor
