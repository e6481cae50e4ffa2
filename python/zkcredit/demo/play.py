"""The play itself: six months of purchases, settlements, billing statements and payments.

A line is sequential: each purchase needs the lender's signature on the one before. So
purchases go in rounds, in which every client with something left to buy buys once; proofs
of a round are made on all cores, and submitted, signed and received in batches.
"""

from __future__ import annotations

import os
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from zkcredit.demo import plan
from zkcredit.demo.cast import DAY_MS, LINE, Cast, Player
from zkcredit.errors import CheckFailed, Refused, ZkCreditError
from zkcredit.messages import StatementOpening
from zkcredit.wallet import Wallet
from zkcredit.wallet.state import decode_state, encode_state

if TYPE_CHECKING:
    from types import TracebackType

    from zkcredit.demo import Progress
    from zkcredit.entries import Submission
    from zkcredit.ledger import Receipt
    from zkcredit.messages import BillingDocument, Invoice

BATCH = 512
"""Clients whose steps are submitted together."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def core_count() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Threads for native work, one per core; the extension lets them run side by side."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(core_count(), thread_name_prefix="zkcredit-demo")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, function: Callable[[_In], _Out], items: Iterable[_In]) -> list[_Out]:
        """``function`` of every item, in order; the first error ends it."""
        return list(self._pool.map(function, items))


class Attempt(NamedTuple):
    """One purchase that a wallet has proved and not submitted yet."""

    player: Player
    purchase: plan.Purchase
    invoice: Invoice
    submission: Submission
    prove_ms: float


class Example(NamedTuple):
    """The purchase that is shown from three sides."""

    t: int
    player: Player
    purchase: plan.Purchase
    payee: bytes
    entry: int


@dataclass(slots=True)
class Month:
    """What happened in one month, in numbers and minor units."""

    name: str
    purchases: int = 0
    over_limit: int = 0
    charged_minor: int = 0
    settled_minor: int = 0
    billed_minor: int = 0
    credited_minor: int = 0
    paid_minor: int = 0


@dataclass(slots=True)
class Story:
    """Everything that was played."""

    players: list[Player] = field(default_factory=list)
    months: list[Month] = field(default_factory=list)
    settlements: int = 0
    statements: int = 0
    strays: int = 0
    """Statements of clients never refused so far whose balance is not the published bill."""
    prove_ms: array[float] = field(default_factory=lambda: array("d"))
    example: Example | None = None
    checkpoint: str = ""
    """The operator's signed checkpoint after the first month; the auditor pins it."""


class Play:
    """Plays a portfolio with a cast; ``order`` is the order in which clients come to buy."""

    def __init__(
        self, cast: Cast, order: Sequence[plan.ClientRecord], workers: Workers, progress: Progress
    ) -> None:
        self._cast = cast
        self._order = order
        self._workers = workers
        self._progress = progress
        self.story = Story()

    def open_lines(self) -> None:
        """Every client asks for a line; the lender grants and signs."""
        cast, story = self._cast, self.story
        for part in self._parts(self._order, "granting lines"):
            players = [cast.player(record) for record in part]
            requests = self._workers.map(
                lambda player: player.wallet.request_line(cast.ledger, cast.terms_hash), players
            )
            offers = [
                (request, player.record.limit_minor, f"client {player.client_id}")
                for player, request in zip(players, requests, strict=True)
            ]
            accounts = cast.lender.grant_many(cast.ledger, offers)
            for player, account in zip(players, accounts, strict=True):
                player.account = _sound(account).number
            self._sign()
            self._receive(players)
            story.players += players

    def month(self, t: int) -> Month:
        """Plays month t: purchases, settlement, next period, billing statements."""
        cast, name = self._cast, self._cast.months[t - 1]
        month = Month(name)
        steps = {p.client_id: plan.month_plan(p.record, t) for p in self.story.players}
        self._purchases(t, steps, month)
        self._settle(month, last=t == plan.MONTH_COUNT)
        cast.clock.turn_to(t + 1)
        cast.lender.open_period(cast.ledger, cast.terms_hash)
        for part in self._parts(self.story.players, f"{name}: billing statements"):
            for player in part:
                self._book(player, steps[player.client_id])
            documents = self._bill(part)
            for player, document in zip(part, documents, strict=True):
                self._compare(player, steps[player.client_id], document, month)
        self.story.months.append(month)
        if t == 1:
            self.story.checkpoint = cast.ledger.checkpoint()
        return month

    # -- purchases -------------------------------------------------------------------------

    def _purchases(self, t: int, steps: dict[int, plan.MonthPlan], month: Month) -> None:
        name = month.name
        before = sum(player.refused for player in self.story.players)
        total = 0
        for player in self.story.players:
            player.queue = deque(steps[player.client_id].purchases)
            total += len(player.queue)
        active = [player for player in self.story.players if player.queue]
        while active:
            for start in range(0, len(active), BATCH):
                attempts = self._workers.map(self._try_next, active[start : start + BATCH])
                self._buy(t, [attempt for attempt in attempts if attempt], month)
                left = sum(len(player.queue) for player in active)
                self._progress(f"{name}: purchases", total - left, total)
            active = [player for player in active if player.queue]
        month.over_limit = sum(player.refused for player in self.story.players) - before

    def _try_next(self, player: Player) -> Attempt | None:
        """The client's next purchase that its wallet does not refuse; runs in a worker."""
        cast = self._cast
        while player.queue:
            purchase = player.queue.popleft()
            with cast.tills[purchase.merchant]:
                invoice = cast.merchants[purchase.merchant].invoice(
                    cast.ledger,
                    purchase.amount_minor,
                    cast.terms.currency,
                    f"basket no. {player.accepted + 1}",
                    accepted=[cast.terms_hash],
                    valid_ms=DAY_MS,
                )
            started = time.thread_time()
            try:
                submission = player.wallet.prepare_payment(cast.ledger, LINE, invoice)
            except Refused as error:
                over = purchase.amount_minor > player.available_minor
                if not over or error.rule not in ("over-limit", "amount"):
                    raise
                player.refuse(purchase.amount_minor)
                continue
            prove_ms = 1e3 * (time.thread_time() - started)
            return Attempt(player, purchase, invoice, submission, prove_ms)
        return None

    def _buy(self, t: int, attempts: list[Attempt], month: Month) -> None:
        """Submits a round's purchases; the lender signs, the wallets go on."""
        steps = [(attempt.player, attempt.submission) for attempt in attempts]
        for attempt, receipt in zip(attempts, self._submit(steps), strict=True):
            player, amount_minor = attempt.player, attempt.purchase.amount_minor
            player.accepted += 1
            player.charged_minor += amount_minor
            month.purchases += 1
            month.charged_minor += amount_minor
            self.story.prove_ms.append(attempt.prove_ms)
            self._offer_example(t, attempt, receipt.index)
        self._sign()
        self._receive([attempt.player for attempt in attempts])

    def _offer_example(self, t: int, attempt: Attempt, index: int) -> None:
        """Keeps the first purchase of the lowest client of the first month with purchases."""
        known = self.story.example
        if known is None or (known.t == t and attempt.player.client_id < known.player.client_id):
            payee = bytes(attempt.invoice.payee)
            self.story.example = Example(t, attempt.player, attempt.purchase, payee, index)

    # -- settlements -----------------------------------------------------------------------

    def _settle(self, month: Month, *, last: bool) -> None:
        """Every merchant settles; too few claims wait for the next month, but not the last."""
        cast = self._cast
        for position, merchant in enumerate(cast.merchants):
            self._progress(f"{month.name}: settlements", position, len(cast.merchants))
            try:
                openings = merchant.settle(
                    cast.ledger, f"account of the {merchant.name}", force=last
                )
            except Refused as error:
                if error.rule != "too-few-claims":
                    raise
                continue
            for opening in openings:
                order = cast.lender.settlement(cast.ledger, opening)
                merchant.accept_payout(cast.ledger, order)
                month.settled_minor += order.sum_minor
                self.story.settlements += 1
            for sale in merchant.sales:
                if sale.settle_index is not None:
                    sale.invoice = b""  # as with the wallets: only the past, and it is long

    # -- billing ---------------------------------------------------------------------------

    def _book(self, player: Player, step: plan.MonthPlan) -> None:
        """The lender takes in what the client gives back and pays on the month's bill."""
        cast, month = self._cast, self._cast.months[step.t - 1]
        back = plan.split_give_back(step.returned_minor, player.pool_minor)
        player.pool_minor -= back.cancelled_minor
        player.cancelled_minor += back.cancelled_minor
        if back.credited_minor:
            cast.lender.record_credit(player.account, back.credited_minor, month)
        if step.payment_minor:
            cast.lender.record_payment(player.account, step.payment_minor, month)

    def _bill(self, players: Sequence[Player]) -> list[BillingDocument]:
        """Every client makes its billing statement; the lender answers with documents."""
        cast = self._cast
        steps = self._workers.map(
            lambda player: (player, player.wallet.prepare_statement(cast.ledger, LINE)), players
        )
        self._submit(steps)
        openings = self._workers.map(_opening, players)
        documents = cast.lender.statements(cast.ledger, openings)
        self._receive(players)
        return [_sound(document) for document in documents]

    def _compare(
        self, player: Player, step: plan.MonthPlan, document: BillingDocument, month: Month
    ) -> None:
        """Counts a document, and compares it with the published bill and the wallet's token."""
        if document.balance_minor != player.balance_minor:
            raise CheckFailed(f"client {player.client_id}: the bill is not what the token says")
        player.credited_minor += document.credits_minor
        player.paid_minor += document.payments_minor
        before_payment_minor = document.balance_minor + document.payments_minor
        equal = before_payment_minor == step.bill_minor
        player.equal_statements += equal
        self.story.strays += not equal and player.refused == 0
        self.story.statements += 1
        month.billed_minor += document.bill_minor
        month.credited_minor += document.credits_minor
        month.paid_minor += document.payments_minor
        player.wallet = self._lean(player.wallet)

    def _lean(self, wallet: Wallet) -> Wallet:
        """The wallet without its past, which all wallets together would fill memory with."""
        state = decode_state(wallet.dump())
        state.history.clear()
        state.records.invoices.clear()
        for line in state.lines:
            line.documents.clear()
        return Wallet.load(encode_state(state), self._cast.clock)

    # -- common ----------------------------------------------------------------------------

    def _parts(self, items: Sequence[_In], what: str) -> Iterable[Sequence[_In]]:
        for start in range(0, len(items), BATCH):
            self._progress(what, start, len(items))
            yield items[start : start + BATCH]
        self._progress(what, len(items), len(items))

    def _submit(self, steps: Sequence[tuple[Player, Submission]]) -> list[Receipt]:
        results = self._cast.ledger.submit_many([submission for _, submission in steps])
        receipts = [_sound(result) for result in results]
        for (player, _), receipt in zip(steps, receipts, strict=True):
            player.wallet.accepted(LINE, receipt)
        return receipts

    def _sign(self) -> None:
        report = self._cast.lender.sign_pending(self._cast.ledger)
        if report.refused:
            raise CheckFailed(f"the lender refuses to sign entries {report.refused}")

    def _receive(self, players: Sequence[Player]) -> None:
        """Every wallet picks up its reply and verifies it; runs in the workers."""
        ledger = self._cast.ledger

        def receive(player: Player) -> None:
            events = player.wallet.receive(ledger)
            if len(events) != 1 or events[0].status != "ready":
                text = events[0].text if events else "no reply"
                raise CheckFailed(f"client {player.client_id} got no usable token: {text}")

        self._workers.map(receive, players)


def _opening(player: Player) -> StatementOpening:
    """What the lender must see of the client's billing statement."""
    opening = player.wallet.opening(LINE)
    assert isinstance(opening, StatementOpening)
    return opening


def _sound(result: _Out | ZkCreditError) -> _Out:
    """A result of a batch, or its error raised."""
    if isinstance(result, ZkCreditError):
        raise result
    return result
