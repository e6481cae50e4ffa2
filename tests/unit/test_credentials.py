"""Issuing, holding and revoking credentials."""

from __future__ import annotations

import datetime as dt
import pickle
from pathlib import Path

import msgspec
import pytest
from issuerkit import ADA, EXPIRES, Office, new_issuer
from kit import Clock, World, seed

from zkcredit._native import verify_messages
from zkcredit.credentials.builtin import CREDIT_HISTORY, IDENTITY, INCOME
from zkcredit.credentials.held import HeldCredential, field_messages
from zkcredit.credentials.holder import MAX_ORDINALS, CredentialBook
from zkcredit.credentials.issuer import CredentialIssuer
from zkcredit.credentials.messages import CredentialReply, CredentialRequest
from zkcredit.credentials.revocation import RevocationList
from zkcredit.credentials.schema import Value
from zkcredit.errors import CallerError, MalformedInput, Refused, StateConflict
from zkcredit.keys import WalletKeys
from zkcredit.ledger import Operator
from zkcredit.messages import decode_message, encode_message
from zkcredit.wallet import Wallet


@pytest.fixture
def office() -> Office:
    return Office()


def test_a_credential_holds_what_the_issuer_said(office: Office) -> None:
    book = office.book()
    held = office.credential(book)
    assert (held.number, held.key_number, held.ordinal) == (1, 1, 0)
    assert held.values == ADA
    assert held.texts == ["Ada Maria", "Muster", "2001-05-31", "AT", "P1234567", "3", "7f3a9c"]
    assert held.expires == EXPIRES
    assert book.list() == [held]
    row = office.issuer.issued()[0]
    assert (row.handle, row.texts, row.expires) == (held.handle, held.texts, held.expires)


def test_the_signature_is_on_blind_owner_handle_expires_and_fields(office: Office) -> None:
    held = office.credential(office.book())
    keys = WalletKeys(seed(("wallet", "ada")))
    messages = [
        keys.credential_blind(*office.place, 1, 0),
        keys.owner,
        held.handle,
        EXPIRES.toordinal(),
        *field_messages(IDENTITY, ADA),
    ]
    key = office.ledger.registry.credential_key(*office.place, 1).bbs_key
    verify_messages(key, held.header, messages, held.signature)
    assert held.header[0] == 2


def test_messages_travel_as_files(office: Office) -> None:
    book = office.book()
    request = office.request(book)
    assert decode_message(encode_message(request), CredentialRequest) == request
    reply = office.reply(book)
    assert decode_message(encode_message(reply, indent=True), CredentialReply) == reply
    assert "Ada" not in repr(reply)


def test_a_request_may_be_repeated_and_finds_the_same_credential(office: Office) -> None:
    book = office.book()
    assert office.request(book).commitment == office.request(book).commitment
    first, second = office.reply(book), office.reply(book)
    assert first == second
    held = book.receive(office.ledger, first)
    assert book.receive(office.ledger, second) is held
    assert len(book) == 1
    assert len(office.issuer.issued()) == 1


def test_the_next_request_is_for_another_credential(office: Office) -> None:
    book = office.book()
    office.credential(book)
    held = office.credential(book)
    assert (held.number, held.ordinal) == (2, 1)
    assert len({row.handle for row in office.issuer.issued()}) == 2


def test_a_lost_wallet_gets_its_credentials_back(office: Office) -> None:
    book = office.book()
    for _ in range(2):
        office.credential(book)
    again = office.book()
    for ordinal in (0, 1):
        request = again.request(office.ledger, *office.place, ordinal)
        reply = office.issuer.issue(office.ledger, request, ADA, EXPIRES)
        again.receive(office.ledger, reply)
    again.refresh_gaps(office.ledger)
    assert again.list() == book.list()


def test_the_same_reply_comes_after_the_next_key_was_opened(office: Office) -> None:
    book = office.book()
    request = office.request(book)
    reply = office.issuer.issue(office.ledger, request, ADA, EXPIRES)
    assert office.issuer.open_key(office.ledger, IDENTITY.hash) == 2
    assert office.issuer.issue(office.ledger, request, ADA, EXPIRES) == reply
    held = book.receive(office.ledger, reply)
    assert office.credential(book).key_number == 2
    assert held.key_number == 1


def test_vaults_keep_credentials_and_old_vaults_load(office: Office) -> None:
    wallet = Wallet.from_seed(seed("vault"))
    office.credential(wallet.credentials)
    again = Wallet.load(wallet.dump())
    assert again.credentials.list() == wallet.credentials.list()
    state = msgspec.msgpack.decode(wallet.dump())
    del state["credentials"]
    assert Wallet.load(msgspec.msgpack.encode(state)).credentials.list() == []


def test_removing_a_credential(office: Office) -> None:
    book = office.book()
    office.credential(book)
    second = office.credential(book)
    book.remove(1)
    assert book.list() == [second]
    with pytest.raises(CallerError, match="no credential 1"):
        book.get(1)
    with pytest.raises(CallerError, match="no credential 1"):
        book.remove(1)
    assert office.credential(book).ordinal == 0


def test_no_more_credentials_than_a_reply_is_tried_for(office: Office) -> None:
    book = office.book()
    for ordinal in (-1, MAX_ORDINALS):
        with pytest.raises(CallerError, match="at most"):
            book.request(office.ledger, *office.place, ordinal)
    request = book.request(office.ledger, *office.place, MAX_ORDINALS - 1)
    reply = office.issuer.issue(office.ledger, request, ADA, EXPIRES)
    assert book.receive(office.ledger, reply).ordinal == MAX_ORDINALS - 1


def test_secrets_are_not_printed_or_stored(office: Office) -> None:
    book = office.book()
    held = office.credential(book)
    keys = WalletKeys(seed(("wallet", "ada")))
    stored = msgspec.msgpack.encode(held)
    assert keys.owner.expose() not in stored
    assert held.blind(keys).expose() not in stored
    assert "Ada" not in repr(held) + repr(office.issuer.issued())
    with pytest.raises(CallerError):
        pickle.dumps(office.issuer)


# -- what an issuer refuses ----------------------------------------------------------------


def test_requests_for_nothing_that_exists(office: Office) -> None:
    book = office.book()
    with pytest.raises(Refused, match="unknown-schema"):
        book.request(office.ledger, office.place[0], bytes(32))
    with pytest.raises(Refused, match="unknown-credential-key"):
        book.request(office.ledger, bytes(32), IDENTITY.hash)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {key: value for key, value in ADA.items() if key != "person"},
        ADA | {"age": 25},
        ADA | {"country": "XX"},
        ADA | {"verification_level": 5},
        ADA | {"birth_date": "2001-05-31"},
    ],
)
def test_values_that_do_not_fit(office: Office, values: dict[str, str]) -> None:
    with pytest.raises(CallerError):
        office.reply(office.book(), values)
    assert office.issuer.issued() == []


def test_credentials_that_have_expired_are_not_issued(office: Office) -> None:
    today = dt.date(2026, 1, 1)  # the clock's
    with pytest.raises(CallerError, match="expired"):
        office.reply(office.book(), expires=today - dt.timedelta(days=1))
    with pytest.raises(CallerError, match="must be a date"):
        office.reply(office.book(), expires=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    assert office.reply(office.book(), expires=today).expires == today


def test_a_request_for_an_old_or_closed_key(office: Office) -> None:
    old = office.request(office.book())
    assert office.issuer.open_key(office.ledger, IDENTITY.hash) == 2
    with pytest.raises(Refused, match="key-not-current"):
        office.issuer.issue(office.ledger, old, ADA, EXPIRES)
    request = office.request(office.book())
    office.issuer.close_key(office.ledger, IDENTITY.hash, 2)
    with pytest.raises(Refused, match="key-closed"):
        office.issuer.issue(office.ledger, request, ADA, EXPIRES)
    with pytest.raises(Refused, match="key-closed"):
        office.request(office.book())
    assert office.issuer.issued() == []


def test_names_reasons_and_ledgers_are_checked(office: Office, tmp_path: Path) -> None:
    with pytest.raises(CallerError):
        CredentialIssuer.create(tmp_path / "x.db", seed("x"), "")
    assert not (tmp_path / "x.db").exists()
    with pytest.raises(CallerError, match="reason"):
        office.issuer.revoke(IDENTITY.hash, 1, "")
    with pytest.raises(CallerError, match="no credential"):
        office.issuer.revoke(IDENTITY.hash, 1, "lost")
    other = Operator.create(None, clock=office.clock)
    with pytest.raises(StateConflict, match="another ledger"):
        office.issuer.register(other)
    with pytest.raises(StateConflict, match="another ledger"):
        office.issuer.issue(other, office.request(office.book()), ADA, EXPIRES)
    fresh = CredentialIssuer.create(None, seed("fresh"), "Fresh")
    with pytest.raises(CallerError, match="not registered"):
        fresh.open_key(office.ledger, IDENTITY.hash)


# -- the issuer's store --------------------------------------------------------------------


def test_the_issuer_goes_on_after_a_restart(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    issuer = CredentialIssuer.create(path, seed("file"), "File office", clock=office.clock)
    assert path.stat().st_mode & 0o077 == 0
    issuer.register(office.ledger)
    issuer.open_key(office.ledger, IDENTITY.hash)
    request = office.book().request(office.ledger, issuer.issuer_id, IDENTITY.hash)
    reply = issuer.issue(office.ledger, request, ADA, EXPIRES)
    issuer.revoke(IDENTITY.hash, reply.handle, "lost")
    rows = issuer.issued()
    issuer.close()
    with pytest.raises(StateConflict, match="another seed"):
        CredentialIssuer.open(path, seed("other"))
    issuer = CredentialIssuer.open(path, seed("file"), clock=office.clock)
    assert (issuer.name, issuer.issued()) == ("File office", rows)
    assert issuer.issue(office.ledger, request, ADA, EXPIRES) == reply
    assert issuer.publish_revocations(office.ledger, IDENTITY.hash) == {1: 2}
    issuer.close()


def test_schemas_are_published_once(office: Office) -> None:
    other = new_issuer(office, "Other")
    size = office.ledger.size
    assert other.publish_schema(office.ledger, IDENTITY) == IDENTITY.hash
    assert office.ledger.size == size
    assert other.open_key(office.ledger, IDENTITY.hash) == 1
    assert office.ledger.registry.schema(IDENTITY.hash).issuer_id == office.issuer.issuer_id


def test_a_lender_issues_under_its_own_registration() -> None:
    world = World()
    issuer = CredentialIssuer.create(None, seed("lender"), "Bank", clock=world.clock)
    assert issuer.register(world.ledger).duplicate
    assert issuer.issuer_id == world.lender.issuer_id
    issuer.publish_schema(world.ledger, CREDIT_HISTORY)
    assert issuer.open_key(world.ledger, CREDIT_HISTORY.hash) == 1
    world.close()


# -- revocation ----------------------------------------------------------------------------


def test_the_first_list_is_there_when_a_key_opens(office: Office) -> None:
    key = office.ledger.registry.credential_key(*office.place, 1)
    assert key.epoch == 1
    held = office.credential(office.book())
    assert held.gap is not None
    assert (held.gap.epoch, held.gap.lo, held.gap.hi) == (1, 0, 1 << 32)


def test_what_is_not_revocable_has_no_lists() -> None:
    office = Office(schema=CREDIT_HISTORY)
    assert office.ledger.registry.credential_key(*office.place, 1).epoch == 0
    book = office.book()
    values: dict[str, Value] = {
        "periods": 1,
        "on_time_periods": 1,
        "days_late": 0,
        "as_of": dt.date(2026, 1, 1),
    }
    book.receive(office.ledger, office.reply(book, values))
    report = book.refresh_gaps(office.ledger)
    assert report == type(report)(current=[], revoked=[], missing=[], faulty={})


def test_revoked_credentials_lose_their_gap_and_others_get_a_new_one(office: Office) -> None:
    books = [office.book(name) for name in range(3)]
    held = [office.credential(book) for book in books]
    office.revoke(held[1].handle)
    for place, book in enumerate(books):
        report = book.refresh_gaps(office.ledger)
        now = book.get(1)
        assert now.revoked == (place == 1)
        if now.revoked:
            assert (report.revoked, report.current, now.gap) == ([1], [], None)
        else:
            assert (report.revoked, report.current) == ([], [1])
            assert now.gap is not None
            assert now.gap.epoch == 2
            assert now.gap.lo < now.handle < now.gap.hi
            assert held[1].handle in (now.gap.lo, now.gap.hi)
        assert book.refresh_gaps(office.ledger) == report


def test_publishing_again_changes_nothing(office: Office) -> None:
    held = office.credential(office.book())
    size = office.ledger.size
    assert office.issuer.publish_revocations(office.ledger, IDENTITY.hash) == {1: 1}
    assert office.ledger.size == size
    assert office.issuer.revoke(IDENTITY.hash, held.handle, "lost")
    assert not office.issuer.revoke(IDENTITY.hash, held.handle, "stolen")
    assert office.issuer.publish_revocations(office.ledger, IDENTITY.hash) == {1: 2}
    assert office.issuer.publish_revocations(office.ledger, IDENTITY.hash) == {1: 2}
    row = office.issuer.issued()[0]
    assert (row.reason, row.epoch) == ("lost", 2)


def test_every_open_key_has_its_own_list(office: Office) -> None:
    book = office.book()
    old = office.credential(book)
    office.issuer.open_key(office.ledger, IDENTITY.hash)
    new = office.credential(book)
    office.revoke(old.handle)
    assert office.issuer.publish_revocations(office.ledger, IDENTITY.hash) == {1: 2, 2: 1}
    report = book.refresh_gaps(office.ledger)
    assert (report.current, report.revoked) == ([new.number], [old.number])
    office.revoke(new.handle)
    for number, handle in ((1, old.handle), (2, new.handle)):
        key = office.ledger.registry.credential_key(*office.place, number)
        data = office.ledger.attachment(key.list_hash)
        assert data is not None
        assert RevocationList.decode(data).revoked == (handle,)
    office.issuer.close_key(office.ledger, IDENTITY.hash, 1)
    assert office.issuer.publish_revocations(office.ledger, IDENTITY.hash) == {2: 2}


@pytest.mark.parametrize("lost", ["submit", "attach"])
def test_an_interrupted_publication_is_completed(
    office: Office, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    book = office.book()
    held = office.credential(book)
    office.issuer.revoke(IDENTITY.hash, held.handle, "lost")

    def crash(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(office.ledger, lost, crash)
        with pytest.raises(KeyboardInterrupt):
            office.issuer.publish_revocations(office.ledger, IDENTITY.hash)
    if lost == "attach":
        assert book.refresh_gaps(office.ledger).missing == [1]
    else:
        assert book.refresh_gaps(office.ledger).current == [1]
    # Something more is revoked before the publication goes on: it is for the next epoch.
    other = office.book("other")
    office.issuer.revoke(IDENTITY.hash, office.reply(other).handle, "lost")
    assert office.issuer.publish_revocations(office.ledger, IDENTITY.hash) == {1: 3}
    assert book.refresh_gaps(office.ledger).revoked == [1]
    epochs = {row.handle == held.handle: row.epoch for row in office.issuer.issued()}
    assert epochs == {True: 2, False: 3}


def test_a_list_that_never_arrived_is_attached_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = office.book()
    held = office.credential(book)
    office.issuer.revoke(IDENTITY.hash, held.handle, "lost")
    with monkeypatch.context() as patch:
        patch.setattr(office.ledger, "attach", lambda data: b"")
        office.issuer.publish_revocations(office.ledger, IDENTITY.hash)
    size = office.ledger.size
    assert book.refresh_gaps(office.ledger).missing == [1]
    assert office.issuer.publish_revocations(office.ledger, IDENTITY.hash) == {1: 2}
    assert book.refresh_gaps(office.ledger).revoked == [1]
    assert office.ledger.size == size


def test_an_old_copy_of_the_database_lifts_no_revocation(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    issuer = CredentialIssuer.create(path, seed("copy"), "Copy", clock=office.clock)
    issuer.register(office.ledger)
    issuer.open_key(office.ledger, IDENTITY.hash)
    request = office.book().request(office.ledger, issuer.issuer_id, IDENTITY.hash)
    handle = issuer.issue(office.ledger, request, ADA, EXPIRES).handle
    issuer.close()
    old = path.read_bytes()
    issuer = CredentialIssuer.open(path, seed("copy"), clock=office.clock)
    issuer.revoke(IDENTITY.hash, handle, "lost")
    issuer.publish_revocations(office.ledger, IDENTITY.hash)
    issuer.close()
    path.write_bytes(old)
    issuer = CredentialIssuer.open(path, seed("copy"), clock=office.clock)
    with pytest.raises(StateConflict, match="old copy"):
        issuer.publish_revocations(office.ledger, IDENTITY.hash)
    issuer.close()


def test_amounts_have_one_form() -> None:
    office = Office(schema=INCOME)
    book = office.book()
    values: dict[str, Value] = {
        "income": 250_000,
        "since": dt.date(2020, 1, 1),
        "employer_hash": "ACME",
    }
    reply = office.reply(book, values)
    loose = msgspec.structs.replace(reply, values=["2500", *reply.values[1:]])
    with pytest.raises(MalformedInput, match="canonical"):
        book.receive(office.ledger, loose)
    assert book.receive(office.ledger, reply).texts[0] == "2500.00"


def test_replies_of_the_wrong_shape(office: Office) -> None:
    book = office.book()
    reply = office.reply(book)
    with pytest.raises(MalformedInput, match="7 fields"):
        book.receive(office.ledger, msgspec.structs.replace(reply, values=reply.values[1:]))
    with pytest.raises(MalformedInput):
        book.receive(office.ledger, msgspec.structs.replace(reply, values=["", *reply.values[1:]]))
    assert book.list() == []


def test_credentials_of_other_ledgers_are_left_alone(office: Office) -> None:
    held: list[HeldCredential] = []
    book = CredentialBook(held, WalletKeys(seed("two ledgers")))
    office.credential(book)
    elsewhere = Office(clock=Clock(office.clock.now_ms + 1))
    assert elsewhere.ledger.ledger_id != office.ledger.ledger_id
    elsewhere.credential(book)
    assert book.refresh_gaps(office.ledger).current == [1]
    assert book.refresh_gaps(elsewhere.ledger).current == [2]
