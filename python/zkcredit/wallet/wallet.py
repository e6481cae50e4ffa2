"""The holder's wallet: many lines, lenders, currencies and ledgers, one secret owner.

Every step follows one pattern: prove, remember, let the caller store the
wallet, only then submit to the ledger (never through the merchant), and pick
the lender's reply up from the ledger. Every call may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

from zkcredit.clock import system_clock
from zkcredit.entries import Kind, Statement, Submission
from zkcredit.errors import CallerError, Refused, StateConflict, ZkCreditError
from zkcredit.keys import WalletKeys, new_phrase, normalise_phrase, seed_from_phrase
from zkcredit.messages import (
    BillingDocument,
    Invoice,
    OpenRequest,
    StatementOpening,
    UpdateOpening,
    decode_message,
    encode_message,
    signing_digest,
)
from zkcredit.tokens import Product
from zkcredit.wallet import follow, preview, replies, restore
from zkcredit.wallet.openings import build_opening, choose_moment
from zkcredit.wallet.preview import Preview
from zkcredit.wallet.restore import RestoreReport
from zkcredit.wallet.state import (
    CLOSED,
    DISPUTED,
    PENDING,
    REQUESTED,
    Event,
    HistoryRow,
    Line,
    Pending,
    WalletState,
    decode_state,
    encode_state,
)
from zkcredit.wallet.steps import Purchase, Steps

if TYPE_CHECKING:
    from zkcredit._native import Seed
    from zkcredit.credentials.holder import CredentialBook
    from zkcredit.ledger import LedgerView, Receipt
    from zkcredit.purchases.messages import PurchasesProof, PurchasesRequest
    from zkcredit.records.bodies import BodyStore
    from zkcredit.wallet.presenter import Presenter
    from zkcredit.wallet.records import WalletRecords

Save = Callable[[], None]


class Wallet:
    """A holder's secrets and lines; :meth:`dump` is what belongs into a vault.

    ``clock`` gives Unix time in milliseconds; it decides only whether an invoice
    has expired and when a billing statement is due.
    """

    def __init__(
        self, state: WalletState, seed: Seed, clock: Callable[[], int] | None = None
    ) -> None:
        self._state = state
        self._keys = WalletKeys(seed)
        self._clock = clock or system_clock

    def __repr__(self) -> str:
        return f"Wallet({len(self._state.lines)} lines)"

    def __reduce__(self) -> str:
        raise CallerError("a wallet cannot be pickled; use dump()")

    # -- making, storing -------------------------------------------------------------------

    @classmethod
    def create(cls, clock: Callable[[], int] | None = None) -> Self:
        """A new wallet under a fresh phrase (:attr:`phrase`: let the holder write it down)."""
        return cls.from_phrase(new_phrase(), clock)

    @classmethod
    def from_phrase(cls, phrase: str, clock: Callable[[], int] | None = None) -> Self:
        """The wallet of a 24-word phrase, without lines: see :meth:`restore`."""
        text = normalise_phrase(phrase)
        seed = seed_from_phrase(text)
        return cls(WalletState(phrase=text, root=seed.expose()), seed, clock)

    @classmethod
    def from_seed(cls, seed: Seed, clock: Callable[[], int] | None = None) -> Self:
        """A wallet under a bare root secret, without a phrase."""
        return cls(WalletState(root=seed.expose()), seed, clock)

    @classmethod
    def load(cls, data: bytes, clock: Callable[[], int] | None = None) -> Self:
        """The wallet that :meth:`dump` wrote; MalformedInput for anything else."""
        from zkcredit._native import Seed

        state = decode_state(data)
        return cls(state, Seed.from_bytes(state.root), clock)

    def dump(self) -> bytes:
        """Secrets and state in the clear, for :class:`zkcredit.vault.Vault` only."""
        return encode_state(self._state)

    @property
    def phrase(self) -> str | None:
        """The 24 words from which everything can be restored."""
        return self._state.phrase

    @property
    def lines(self) -> list[Line]:
        """All lines, for reading."""
        return list(self._state.lines)

    def line(self, number: int) -> Line:
        """One line; CallerError if there is none with this number."""
        for line in self._state.lines:
            if line.number == number:
                return line
        raise CallerError(f"this wallet has no line {number}")

    def history(self, line: int | None = None) -> list[HistoryRow]:
        """Finished steps of one line or all, in the order in which they were received."""
        return [row for row in self._state.history if line in (None, row.line)]

    def documents(self, line: int) -> list[BillingDocument]:
        """The lender's signed billing documents of a line, oldest first."""
        return [decode_message(data, BillingDocument) for data in self.line(line).documents]

    @property
    def credentials(self) -> CredentialBook:
        """The wallet's credentials, bound to the same secret owner as its lines."""
        from zkcredit.credentials.holder import CredentialBook

        return CredentialBook(self._state.credentials, self._keys)

    @property
    def presenter(self) -> Presenter:
        """Answers to verifiers' requests, from the wallet's credentials."""
        from zkcredit.wallet.presenter import Presenter

        return Presenter(self._state, self._keys, self._clock)

    def records(self, bodies: BodyStore, save: Save | None = None) -> WalletRecords:
        """The wallet's receipts, bills and other records, whose bodies lie in ``bodies``."""
        from zkcredit.wallet.records import WalletRecords

        return WalletRecords(self._state, bodies, save, self._clock)

    # -- opening a line --------------------------------------------------------------------

    def request_line(self, ledger: LedgerView, terms_hash: bytes) -> OpenRequest:
        """Asks for a new line under published terms; the lender checks and submits it."""
        product = Product.find(ledger.registry, terms_hash)
        ledger_id = ledger.ledger_id
        used = [x.ordinal for x in self._state.lines if x.terms_hash == terms_hash]
        line = Line(
            number=self._next_number(),
            ordinal=1 + max(used, default=-1),
            ledger_id=ledger_id,
            issuer_id=product.issuer_id,
            terms_hash=terms_hash,
        )
        request = self._request(ledger, line)
        self._state.lines.append(line)
        return request

    def open_request(self, ledger: LedgerView, line: int) -> OpenRequest:
        """The request for a line again; proved anew if another period has opened since."""
        found = self._on(ledger, line)
        if found.status != REQUESTED:
            raise StateConflict(f"line {line} is open already")
        return self._request(ledger, found)

    def _request(self, ledger: LedgerView, line: Line) -> OpenRequest:
        steps = self._steps(ledger, line)
        period = ledger.registry.current_period(line.terms_hash)
        if period == 0:
            raise Refused("period-not-current", "the lender has not opened a period yet")
        pending = line.pending
        if pending is None or pending.next.period != period:
            lender = ledger.registry.issuer(line.issuer_id).name
            pending = line.pending = steps.open(line.ordinal, period, lender)
        return OpenRequest(
            ledger_id=line.ledger_id,
            statement=pending.statement,
            proof=pending.evidence,
            memo=pending.memo,
            reply_key=self._keys.reply_key(steps.open_commitment(line.ordinal)),
        )

    # -- paying ----------------------------------------------------------------------------

    def usable_lines(self, ledger: LedgerView, invoice: Invoice) -> list[int]:
        """Ready lines whose terms the merchant takes, most available credit first."""
        return preview.usable_lines(self._state.lines, ledger.ledger_id, invoice)

    def check_invoice(
        self, ledger: LedgerView, line: int, invoice: Invoice, plan: int = 1
    ) -> Preview:
        """What paying would mean; Refused (with the rule's name) if it is not possible."""
        found = self._on(ledger, line)
        return preview.make_preview(ledger, found, invoice, plan, self._clock())

    def prepare_payment(
        self, ledger: LedgerView, line: int, invoice: Invoice, plan: int = 1
    ) -> Submission:
        """Proves a purchase and makes it the line's pending step: save, then submit.

        The same invoice again gives the same submission.
        """
        found = self._on(ledger, line)
        invoice_hash = signing_digest(invoice)
        pending = found.pending
        if pending is not None and pending.invoice_hash == invoice_hash:
            return _submission(pending)
        preview.check_unpaid(self._state, invoice_hash)
        registry = ledger.registry
        product = Product.find(registry, found.terms_hash)
        merchant = preview.check_offer(registry, invoice, product, self._clock())
        preview.check_line(registry, found, product)
        preview.check_amount(found, product, invoice.amount_minor, plan)
        assert found.token is not None
        purchase = Purchase.of(invoice, merchant, plan)
        submission = self._begin(found, self._steps(ledger, found).spend(found.token, purchase))
        self._state.records.invoices.append(encode_message(invoice.bare()))
        return submission

    def pay(
        self,
        ledger: LedgerView,
        line: int,
        invoice: Invoice,
        plan: int = 1,
        save: Save | None = None,
    ) -> Receipt:
        """Pays an invoice: proves, remembers, calls ``save``, then submits.

        Paying the same invoice again submits the same bytes, so it is safe after a crash.
        """
        self.prepare_payment(ledger, line, invoice, plan)
        return self._store_and_submit(ledger, line, save)

    # -- the other steps -------------------------------------------------------------------

    def prepare_refresh(self, ledger: LedgerView, line: int) -> Submission:
        """Proves a refresh: for an aborted purchase and after a restore.

        It takes the place of a pending step that is not known to be on the ledger.
        """
        found = self._on(ledger, line)
        pending = found.pending
        if pending is not None and pending.kind == Kind.REFRESH:
            return _submission(pending)
        if found.token is None or (pending is not None and pending.index is not None):
            raise found.not_ready()
        current = ledger.registry.current_period(found.terms_hash)
        if found.token.period != current:
            raise Refused("period-not-current", "make the billing statement instead of a refresh")
        return self._begin(found, self._steps(ledger, found).refresh(found.token))

    def refresh(self, ledger: LedgerView, line: int, save: Save | None = None) -> Receipt:
        """Proves, stores and submits a refresh; see :meth:`prepare_refresh`."""
        self.prepare_refresh(ledger, line)
        return self._store_and_submit(ledger, line, save)

    def prepare_statement(self, ledger: LedgerView, line: int) -> Submission:
        """Proves the billing statement of the line's period, once the next one is open."""
        found = self._on(ledger, line)
        pending = found.pending
        if pending is not None and pending.kind == Kind.STATEMENT:
            return _submission(pending)
        waits = pending is not None and pending.index is not None
        if found.token is None or waits or found.status == DISPUTED:
            raise found.not_ready()
        period = found.token.period
        if period >= ledger.registry.current_period(found.terms_hash):
            raise Refused("period-not-over", f"period {period} is still open for purchases")
        if ledger.registry.period(found.terms_hash, period).closed:
            found.status = CLOSED
            raise Refused("period-closed", f"period {period} is closed: this line has ended")
        return self._begin(found, self._steps(ledger, found).statement(found.token))

    def make_statement(
        self, ledger: LedgerView, line: int, save: Save | None = None
    ) -> StatementOpening:
        """Submits the billing statement; the result goes to the lender, and to nobody else."""
        self.prepare_statement(ledger, line)
        self._store_and_submit(ledger, line, save)
        opening = self.opening(line)
        assert isinstance(opening, StatementOpening)
        return opening

    def prepare_update(self, ledger: LedgerView, line: int) -> Submission:
        """Proves an update, in which the lender may add payments or change the limit."""
        found = self._on(ledger, line)
        pending = found.pending
        if pending is not None and pending.kind == Kind.UPDATE:
            return _submission(pending)
        product = Product.find(ledger.registry, found.terms_hash)
        preview.check_line(ledger.registry, found, product)
        assert found.token is not None
        return self._begin(found, self._steps(ledger, found).update(found.token))

    def make_update(self, ledger: LedgerView, line: int, save: Save | None = None) -> UpdateOpening:
        """Submits an update; the result goes to the lender, and to nobody else."""
        self.prepare_update(ledger, line)
        self._store_and_submit(ledger, line, save)
        opening = self.opening(line)
        assert isinstance(opening, UpdateOpening)
        return opening

    def opening(self, line: int) -> StatementOpening | UpdateOpening:
        """What the lender must see of the pending statement or update; repeatable."""
        return build_opening(self._keys, self.line(line))

    def statement_moment(self, ledger: LedgerView, line: int) -> int:
        """When to make the billing statement: a random time in the grace window, kept.

        Unix time in milliseconds, within the first three quarters of the window.
        """
        found = self._on(ledger, line)
        if found.statement_moment_ms is None:
            found.statement_moment_ms = choose_moment(ledger, found)
        return found.statement_moment_ms

    def crowd(self, ledger: LedgerView, terms_hash: bytes) -> int:
        """Upper bound of the lines among which a purchase now is hidden."""
        return preview.crowd(ledger, terms_hash, ledger.registry.current_period(terms_hash))

    def prove_purchases(
        self,
        ledger: LedgerView,
        line: int,
        request: PurchasesRequest,
        entries: Sequence[int] | None = None,
    ) -> PurchasesProof:
        """Proves a line's purchases to a third party: see :mod:`zkcredit.purchases.prove`."""
        from zkcredit.purchases.prove import LinePurchases

        own = LinePurchases(self._keys, self._on(ledger, line), self.history(line))
        return own.prove(ledger, request, self._clock(), entries)

    # -- submitting, receiving -------------------------------------------------------------

    def submit_pending(self, ledger: LedgerView) -> list[tuple[int, Receipt | ZkCreditError]]:
        """Submits every pending step of this ledger that has no place on it yet."""
        results: list[tuple[int, Receipt | ZkCreditError]] = []
        for line in self._state.lines:
            pending = line.pending
            if pending is None or pending.index is not None or line.status == REQUESTED:
                continue
            if line.ledger_id == ledger.ledger_id:
                try:
                    results.append((line.number, self._submit(ledger, line)))
                except ZkCreditError as error:
                    results.append((line.number, error))
        return results

    def accepted(self, line: int, receipt: Receipt) -> None:
        """Notes where the ledger has put the pending step (after a batch submission)."""
        pending = self.line(line).pending
        if pending is None:
            raise StateConflict(f"line {line} has nothing pending")
        pending.index, pending.refused = receipt.index, None

    def receive(self, ledger: LedgerView) -> list[Event]:
        """Picks up the lender's replies and moves lines on; empty if there is nothing new."""
        events = []
        for line in self._state.lines:
            if line.ledger_id == ledger.ledger_id and line.status in (REQUESTED, PENDING):
                event = self._receive(ledger, line)
                if event is not None:
                    events.append(event)
        return events

    def accept_disputed(self, line: int, ledger: LedgerView) -> None:
        """Goes on with a line whose bill is disputed, under protest; the evidence is kept.

        Only possible if the lender's signature on the token is valid.
        """
        found = self._on(ledger, line)
        pending = found.pending
        if found.status != DISPUTED or pending is None or pending.index is None:
            raise StateConflict(f"line {line} is not disputed")
        outcome = replies.read_reply(self._steps(ledger, found), found, pending, found.disputed)
        timestamp_ms = ledger.entry(pending.index).timestamp_ms
        self._state.history.append(replies.apply_outcome(found, pending, outcome, timestamp_ms))

    def restore(self, ledger: LedgerView) -> RestoreReport:
        """Finds all lines of this phrase on a ledger and replays them; see ``restore``.

        Lines that are here already are rebuilt from the ledger in place.
        """
        scan = follow.Scan.run(ledger)
        report = RestoreReport(scanned=scan.size)
        for terms_hash in list(ledger.registry.terms):
            steps = Steps(ledger.registry, terms_hash, self._keys)
            for ordinal, index in restore.find_lines(steps, scan).items():
                line, known = self._slot(ledger.ledger_id, steps.product, ordinal)
                rows = restore.rebuild(steps, ledger, scan, line, index)
                kept = [row for row in self._state.history if row.line != line.number]
                self._state.history = kept + rows
                report.lines.append(line.number)
                report.restored += not known
                if line.must_refresh:
                    report.must_refresh.append(line.number)
        self._state.history.sort(key=lambda row: (row.timestamp_ms, row.index))
        return report

    # -- inside ----------------------------------------------------------------------------

    def _on(self, ledger: LedgerView, number: int) -> Line:
        line = self.line(number)
        restore.require_same(line, ledger)
        return line

    def _steps(self, ledger: LedgerView, line: Line) -> Steps:
        return Steps(ledger.registry, line.terms_hash, self._keys)

    def _slot(self, ledger_id: bytes, product: Product, ordinal: int) -> tuple[Line, bool]:
        """A blank line for ``ordinal``, under its old number if it was known."""
        lines = self._state.lines
        wanted = (product.terms_hash, ordinal)
        places = [i for i, x in enumerate(lines) if (x.terms_hash, x.ordinal) == wanted]
        position = places[0] if places else len(lines)
        number = lines[position].number if places else self._next_number()
        line = Line(
            number=number,
            ordinal=ordinal,
            ledger_id=ledger_id,
            issuer_id=product.issuer_id,
            terms_hash=product.terms_hash,
        )
        lines[position : position + 1] = [line]
        return line, bool(places)

    def _next_number(self) -> int:
        return 1 + max((line.number for line in self._state.lines), default=0)

    def _begin(self, line: Line, pending: Pending) -> Submission:
        line.pending, line.status = pending, PENDING
        return _submission(pending)

    def _store_and_submit(self, ledger: LedgerView, number: int, save: Save | None) -> Receipt:
        if save is not None:
            save()
        return self._submit(ledger, self.line(number))

    def _submit(self, ledger: LedgerView, line: Line) -> Receipt:
        pending = line.pending
        assert pending is not None
        try:
            receipt = ledger.submit(_submission(pending))
        except Refused as error:
            pending.refused = error.rule
            if error.rule == "already-spent":
                self._adopt(ledger, line)
            raise
        self.accepted(line.number, receipt)
        return receipt

    def _adopt(self, ledger: LedgerView, line: Line) -> None:
        """Takes over what the ledger holds for the line's token: an earlier step of ours."""
        assert line.token is not None
        index = ledger.find_nullifier(line.issuer_id, line.token.serial)
        if index is not None:
            line.pending = follow.follow(self._steps(ledger, line), ledger, line.token, index)

    def _receive(self, ledger: LedgerView, line: Line) -> Event | None:
        pending = line.pending
        assert pending is not None
        steps = self._steps(ledger, line)
        if pending.index is None and line.status == REQUESTED:
            index = ledger.find_open(steps.open_commitment(line.ordinal))
            if index is not None:
                pending = line.pending = follow.follow_open(steps, ledger, line.ordinal, index)
                line.status = PENDING
        reply = None if pending.index is None else ledger.reply(pending.index)
        if reply is None or pending.index is None:
            return None
        kind = pending.kind_name
        row = restore.advance(steps, ledger, line, reply)
        if row is None:
            return Event(line.number, kind, line.status, line.problem or "")
        self._state.history.append(row)
        left = steps.terms.format(row.available_minor)
        return Event(line.number, kind, line.status, f"{left} available")


def _submission(pending: Pending) -> Submission:
    return Submission(Statement.decode(pending.statement), pending.evidence, pending.memo)
