"""Holders, shops and a lender against a few lines of plain arithmetic.

Whatever happens in whatever order (crashes, restores, late and repeated
submissions, payments, limits, months), everything must add up and pass an audit.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from kit import INTEREST, World, refused, seed
from linebook import Book, Holder, Try
from postgreskit import Server

from zkcredit import digests
from zkcredit.entries import Submission
from zkcredit.errors import Refused, ZkCreditError
from zkcredit.messages import Invoice, StatementOpening, UpdateOpening
from zkcredit.wallet import Line, Wallet

HOLDERS = 3
CRASHES = ("no", "before save", "before submit", "after submit", "before receive")
amounts = st.integers(1, 9_000)
picks = st.integers(0, 1 << 16)


class Months(RuleBasedStateMachine):
    @initialize(limit=st.integers(1_000, 50_000))
    def start(self, limit: int) -> None:
        self.world = self.new_world()
        self.ledger = self.world.ledger
        self.tries: list[Try] = []
        self.answered: set[int] = set()
        self.billed = self.references = 0
        self.holders = [self._holder(number) for number in range(HOLDERS)]
        for holder in self.holders:
            self._open(holder, limit)

    def new_world(self) -> World:
        return World(INTEREST, shops=2)

    def teardown(self) -> None:
        if not hasattr(self, "holders"):
            return
        try:
            self._finish()
        finally:
            self.world.close()

    def _finish(self) -> None:
        for holder in self.holders:
            for line in holder.books:
                self._calm(holder, line)
        for line, book in self._living():
            self._compare(line, book)
        spent = sum(attempt.amount for attempt in self.tries if attempt.counted)
        for shop in range(2):
            for order in self.world.settle(shop):
                assert order.net_minor == order.sum_minor
        rows = [row for merchant in self.world.merchants for row in merchant.totals().rows]
        assert sum(row.sum_minor for row in rows) == spent
        assert sum(row.sum_minor for row in self.world.lender.totals(self.ledger).rows) == (
            self.billed
        )
        books = [book for holder in self.holders for book in holder.books.values()]
        unbilled = sum(book.unbilled for book in books)
        assert spent == self.billed + unbilled
        used = sum(book.limit_on_line - book.available for book in books)
        charged = sum(book.charges for book in books)
        assert used == spent + charged - sum(book.received for book in books)
        report = self.world.audit()
        assert report.purchases == sum(attempt.counted for attempt in self.tries)
        assert report.claims_settled == report.purchases
        assert report.uncovered_claims == report.uncovered_bills == 0

    # --- helpers -----------------------------------------------------------------

    def _holder(self, number: int) -> Holder:
        wallet = self.world.wallet(number)
        return Holder(wallet, wallet.dump())

    def _reload(self, holder: Holder) -> None:
        holder.wallet = Wallet.load(holder.saved, clock=self.world.clock)

    def _saver(self, holder: Holder) -> Any:
        def save() -> None:
            holder.saved = holder.wallet.dump()

        return save

    def _open(self, holder: Holder, limit: int, crash: str = "no") -> None:
        request = holder.wallet.request_line(self.ledger, self.world.terms_hash)
        line = holder.wallet.lines[-1].number
        if crash != "before save":
            self._saver(holder)()
        if crash in ("before save", "before submit"):
            self._reload(holder)
            if crash == "before save":
                request = holder.wallet.request_line(self.ledger, self.world.terms_hash)
                assert holder.wallet.lines[-1].number == line
            else:
                request = holder.wallet.open_request(self.ledger, line)
        for _ in range(2):  # a request may come twice
            account = self.world.lender.grant(self.ledger, request, limit, "customer")
        if crash == "after submit":
            self._reload(holder)
        self.world.lender.sign_pending(self.ledger)
        if crash == "before receive":
            self._reload(holder)
        holder.wallet.receive(self.ledger)
        self._saver(holder)()
        token = holder.wallet.line(line).token
        assert token is not None
        assert token.account == account.number
        period = self.ledger.registry.current_period(self.world.terms_hash)
        holder.books[line] = Book(limit, period, limit, limit_on_line=limit)

    def _on_ledger(self, made: Submission) -> bool:
        key = digests.statement_hash(made.statement.encode())
        return self.ledger.find_statement(key) is not None

    def _count(self) -> None:
        """Books purchases that have come onto the ledger."""
        for attempt in self.tries:
            if not attempt.counted and self._on_ledger(attempt.made):
                attempt.counted = True
                self.holders[attempt.holder].books[attempt.line].purchase(attempt.amount)

    def _answer(self, holder: Holder, opening: StatementOpening | UpdateOpening) -> None:
        """The lender answers an opening, twice, and the model does its own sums."""
        book = next(
            book
            for line, book in holder.books.items()
            if (token := holder.wallet.line(line).token) and token.account == opening.account
        )
        lender = self.world.lender
        if isinstance(opening, UpdateOpening):
            reply = lender.update(self.ledger, opening)
            assert lender.update(self.ledger, opening) == reply
            if opening.entry_index not in self.answered:
                assert reply.payments_minor + reply.credits_minor == book.bring_in()
            self.answered.add(opening.entry_index)
            return
        document = lender.statement(self.ledger, opening)
        assert lender.statement(self.ledger, opening) == document
        if opening.entry_index not in self.answered:
            expected = book.bill(INTEREST.days(document.period))
            self.billed += expected[0]
            assert expected == (
                document.bill_minor,
                document.interest_minor,
                document.late_fee_minor,
                document.balance_minor,
            )
            assert document.minimum_minor == book.minimum
        self.answered.add(opening.entry_index)

    def _calm(self, holder: Holder, line: int) -> None:
        """Whatever was interrupted goes on, until the line is ready or has ended."""
        book = holder.books[line]
        for _ in range(4):
            if book.dead:
                return
            self._proceed(holder, line)
            state = holder.wallet.line(line)
            if state.status == "ready" and not state.must_refresh and not self._used(state):
                self._saver(holder)()
                return
            assert state.status in ("ready", "pending"), (state.status, state.problem)
            try:
                if book.period < self.ledger.registry.current_period(self.world.terms_hash):
                    holder.wallet.make_statement(self.ledger, line, self._saver(holder))
                else:
                    holder.wallet.refresh(self.ledger, line, self._saver(holder))
            except Refused as error:  # an earlier step of this line is on the ledger
                self._expect(error, "already-spent", "line-not-ready")
        raise AssertionError(f"line {line} does not become ready")

    def _used(self, line: Line) -> bool:
        """Whether the ledger holds a step of the line that the wallet has forgotten."""
        assert line.token is not None
        return self.ledger.find_nullifier(self.world.issuer_id, line.token.serial) is not None

    @staticmethod
    def _expect(error: ZkCreditError, *names: str) -> None:
        assert isinstance(error, Refused)
        assert error.rule in names, error

    def _proceed(self, holder: Holder, line: int) -> None:
        wallet = holder.wallet
        for _number, result in wallet.submit_pending(self.ledger):
            if isinstance(result, ZkCreditError):
                self._expect(result, "period-not-current", "expired", "already-spent")
        self._count()
        self.world.lender.sign_pending(self.ledger)
        pending = wallet.line(line).pending
        shows = pending is not None and pending.kind_name in ("statement", "update")
        if shows and pending.index is not None:
            self._answer(holder, wallet.opening(line))
        wallet.receive(self.ledger)

    def _pick(self, pick: int) -> tuple[Holder, int, Book]:
        """A living line, brought to rest."""
        options = [
            (holder, line, book)
            for holder in self.holders
            for line, book in holder.books.items()
            if not book.dead
        ]
        holder, line, book = options[pick % len(options)]
        self._calm(holder, line)
        return holder, line, book

    def some_line(self) -> bool:
        return bool(self._living())

    def _living(self) -> list[tuple[Line, Book]]:
        return [
            (holder.wallet.line(line), book)
            for holder in self.holders
            for line, book in holder.books.items()
            if not book.dead
        ]

    def _compare(self, line: Line, book: Book) -> None:
        token = line.token
        assert (token.available_minor, token.due_minor, token.period, line.limit_minor) == (
            book.available,
            [book.unbilled],
            book.period,
            book.limit_on_line,
        )
        assert (line.balance_minor, line.minimum_minor) == (book.balance, book.minimum)
        owed = book.balance - book.on_line + book.unbilled
        assert book.available == book.limit_on_line - owed

    # --- what can happen ---------------------------------------------------------

    @precondition(lambda self: sum(len(holder.books) for holder in self.holders) < 6)
    @rule(pick=picks, limit=st.integers(0, 50_000), crash=st.sampled_from(CRASHES))
    def open_line(self, pick: int, limit: int, crash: str) -> None:
        holder = self.holders[pick % HOLDERS]
        for line in holder.books:
            self._calm(holder, line)
        self._open(holder, limit, crash)

    @precondition(some_line)
    @rule(pick=picks, amount=amounts, shop=st.integers(0, 1), crash=st.sampled_from(CRASHES))
    def pay(self, pick: int, amount: int, shop: int, crash: str) -> None:
        holder, line, book = self._pick(pick)
        invoice = self.world.invoice(amount, shop)
        before = (self.ledger.size, holder.wallet.dump())
        if book.period < self.ledger.registry.current_period(self.world.terms_hash):
            with refused("period-not-current"):
                holder.wallet.pay(self.ledger, line, invoice)
        elif amount > book.available:
            with refused("over-limit"):
                holder.wallet.pay(self.ledger, line, invoice)
        else:
            self._pay(holder, line, amount, invoice, crash)
            return
        assert (self.ledger.size, holder.wallet.dump()) == before

    def _pay(self, holder: Holder, line: int, amount: int, invoice: Invoice, crash: str) -> None:
        wallet, number = holder.wallet, self.holders.index(holder)
        made = wallet.prepare_payment(self.ledger, line, invoice)
        self.tries.append(Try(number, line, amount, made))
        if crash != "before save":
            self._saver(holder)()
        if crash in ("before save", "before submit"):
            self._reload(holder)
            return
        receipt = wallet.pay(self.ledger, line, invoice)
        assert not receipt.duplicate
        self._count()
        assert self.tries[-1].counted
        if crash == "after submit":
            self._reload(holder)
            return
        self.world.lender.sign_pending(self.ledger)
        if crash == "before receive":
            self._reload(holder)
            return
        events = wallet.receive(self.ledger)
        assert [(event.line, event.kind, event.status) for event in events] == [
            (line, "spend", "ready")
        ]
        self._saver(holder)()

    @precondition(lambda self: self.tries)
    @rule(pick=picks)
    def submit_again(self, pick: int) -> None:
        """Somebody submits bytes of an earlier attempt, sent or not."""
        attempt = self.tries[pick % len(self.tries)]
        book = self.holders[attempt.holder].books[attempt.line]
        if attempt.counted:
            assert self.ledger.submit(attempt.made).duplicate
            return
        try:
            self.ledger.submit(attempt.made)
        except Refused as error:
            self._expect(error, "already-spent", "period-not-current", "expired")
        else:
            assert not book.dead
        self._count()

    @precondition(some_line)
    @rule(pick=picks, amount=amounts, credit=st.booleans())
    def pay_lender(self, pick: int, amount: int, credit: bool) -> None:
        holder, line, book = self._pick(pick)
        self.references += 1
        number = holder.wallet.line(line).token.account  # type: ignore[union-attr]
        lender, reference = self.world.lender, f"transfer {self.references}"
        record = lender.record_credit if credit else lender.record_payment
        assert record(number, amount, reference)
        assert not record(number, amount, reference)
        if credit:
            book.credited += amount
        else:
            book.paid += amount

    @precondition(some_line)
    @rule(pick=picks, limit=st.integers(0, 60_000))
    def change_limit(self, pick: int, limit: int) -> None:
        holder, line, book = self._pick(pick)
        self.references += 1
        number = holder.wallet.line(line).token.account  # type: ignore[union-attr]
        self.world.lender.change_limit(number, limit, f"limit {self.references}")
        book.limit = limit

    @precondition(some_line)
    @rule(pick=picks, crash=st.sampled_from(CRASHES), update=st.booleans())
    def show_account(self, pick: int, crash: str, update: bool) -> None:
        """An update or a billing statement, interrupted anywhere."""
        holder, line, book = self._pick(pick)
        wallet, save = holder.wallet, self._saver(holder)
        current = self.ledger.registry.current_period(self.world.terms_hash)
        if (update and book.period < current) or (not update and book.period == current):
            with refused("period-not-current" if update else "period-not-over"):
                (wallet.make_update if update else wallet.make_statement)(self.ledger, line)
            return
        if crash in ("before save", "before submit"):
            (wallet.prepare_update if update else wallet.prepare_statement)(self.ledger, line)
            if crash == "before submit":
                save()
            self._reload(holder)
            return
        opening = (wallet.make_update if update else wallet.make_statement)(self.ledger, line, save)
        if crash == "after submit":
            self._reload(holder)
            return
        self._answer(holder, opening)
        if crash == "before receive":
            self._reload(holder)
            return
        assert [event.status for event in wallet.receive(self.ledger)] == ["ready"]
        save()

    @precondition(some_line)
    @rule(pick=picks)
    def refresh(self, pick: int) -> None:
        holder, line, book = self._pick(pick)
        if book.period < self.ledger.registry.current_period(self.world.terms_hash):
            with refused("period-not-current"):
                holder.wallet.refresh(self.ledger, line)
            return
        holder.wallet.refresh(self.ledger, line, self._saver(holder))

    @precondition(lambda self: self.holders)
    @rule(pick=picks)
    def lose_everything(self, pick: int) -> None:
        """Only the phrase is left."""
        number = pick % HOLDERS
        holder = self.holders[number]
        holder.wallet = Wallet.from_seed(seed(("wallet", number)), clock=self.world.clock)
        report = holder.wallet.restore(self.ledger)
        assert sorted(report.lines) == sorted(holder.books)
        self._saver(holder)()

    @precondition(lambda self: self.ledger.registry.current_period(self.world.terms_hash) < 6)
    @rule()
    def open_period(self) -> None:
        self.world.open_period()

    @precondition(lambda self: self.ledger.registry.current_period(self.world.terms_hash) > 1)
    @rule(pick=picks)
    def close_period(self, pick: int) -> None:
        """Lines that made no billing statement in time end."""
        registry, terms_hash = self.ledger.registry, self.world.terms_hash
        period = 1 + pick % (registry.current_period(terms_hash) - 1)
        if registry.period(terms_hash, period).closed:
            return
        for holder in self.holders:  # what is on the ledger is answered first
            for line in holder.books:
                self._proceed(holder, line)
        absent = self.world.lender.close_period(self.ledger, terms_hash, period)
        ended = [book for _, book in self._living() if book.period <= period]
        assert len(absent) == len(ended)
        for book in ended:
            book.dead = True

    @rule(shop=st.integers(0, 1))
    def settle(self, shop: int) -> None:
        waiting = self.world.merchants[shop]
        waiting.check(self.ledger)
        due = sum(sale.amount_minor for sale in waiting.sales if sale.state == "paid")
        assert sum(order.sum_minor for order in self.world.settle(shop)) == due
        assert self.world.settle(shop) == []

    # --- what must always hold -----------------------------------------------------

    @invariant()
    def nothing_is_spent_twice(self) -> None:
        seen = [attempt.made.statement.nullifier for attempt in self.tries if attempt.counted]  # type: ignore[attr-defined]
        assert len(seen) == len(set(seen))

    @invariant()
    def ready_lines_are_right(self) -> None:
        for line, book in self._living():
            if line.status == "ready" and not line.must_refresh and not self._used(line):
                self._compare(line, book)


Months.TestCase.settings = settings(max_examples=12, stateful_step_count=30, deadline=None)
TestMonths = Months.TestCase


def test_months_on_a_database_server(postgres: Server, tmp_path: Path) -> None:
    numbers = itertools.count()

    class OnServer(Months):
        def new_world(self) -> World:
            path = tmp_path / str(next(numbers))
            return World(INTEREST, shops=2, path=path, database=postgres.place())

    few = settings(max_examples=3, stateful_step_count=25, deadline=None)
    run_state_machine_as_test(OnServer, settings=few)
