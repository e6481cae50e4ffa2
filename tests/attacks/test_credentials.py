"""Attacks on credentials: by holders on issuers, by issuers and the network on holders."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from issuerkit import ADA, EXPIRES, Office, new_issuer
from kit import seed
from msgspec.structs import replace

from zkcredit import digests
from zkcredit._native import (
    Circuit,
    IssuerKey,
    Prover,
    add_points,
    blake3_hash,
    builtin_circuit_text,
    commit,
)
from zkcredit.credentials.builtin import BUSINESS, CREDIT_HISTORY, IDENTITY
from zkcredit.credentials.held import Slot
from zkcredit.credentials.messages import CredentialReply, CredentialRequest
from zkcredit.credentials.requests import request_commitment, verify_request
from zkcredit.credentials.revocation import HANDLE_END, RevocationList
from zkcredit.entries import CredentialKeyStatement, KeyAction, RevocationStatement
from zkcredit.errors import (
    CallerError,
    MalformedInput,
    ProofRefused,
    Refused,
    StateConflict,
    ZkCreditError,
)
from zkcredit.keys import WalletKeys


@pytest.fixture(scope="module")
def shared() -> Office:
    """An office that no test changes."""
    return Office()


@pytest.fixture
def office() -> Office:
    return Office()


# -- holder against issuer -----------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"ledger_id": bytes(32)},
        {"issuer_id": bytes(32)},
        {"schema_hash": BUSINESS.hash},
        {"key_number": 2},
    ],
)
def test_a_request_proves_nothing_to_anybody_else(shared: Office, change: dict[str, Any]) -> None:
    request = shared.request(shared.book())
    verify_request(request)
    with pytest.raises(ProofRefused):
        verify_request(replace(request, **change))


def test_a_request_is_not_answered_by_another_issuer(office: Office) -> None:
    request = office.request(office.book())
    other = new_issuer(office, "Other")
    other.open_key(office.ledger, IDENTITY.hash)
    with pytest.raises(Refused, match="wrong-issuer"):
        other.issue(office.ledger, request, ADA, EXPIRES)
    readdressed = replace(request, issuer_id=other.issuer_id)
    with pytest.raises(ProofRefused):
        other.issue(office.ledger, readdressed, ADA, EXPIRES)
    assert other.issued() == []


def test_a_request_is_not_answered_for_another_schema_or_ledger(office: Office) -> None:
    request = office.request(office.book())
    office.issuer.publish_schema(office.ledger, CREDIT_HISTORY)
    office.issuer.open_key(office.ledger, CREDIT_HISTORY.hash)
    values = {"periods": 9, "on_time_periods": 9, "days_late": 0, "as_of": dt.date(2026, 1, 1)}
    with pytest.raises(ProofRefused):
        office.issuer.issue(
            office.ledger, replace(request, schema_hash=CREDIT_HISTORY.hash), values, EXPIRES
        )
    with pytest.raises(Refused, match="wrong-ledger"):
        office.issuer.issue(office.ledger, replace(request, ledger_id=bytes(32)), ADA, EXPIRES)
    assert office.issuer.issued() == []


@pytest.mark.parametrize("position", [2, 3, 4, 10])
def test_nobody_plants_a_handle_an_expiry_or_a_field(office: Office, position: int) -> None:
    request = office.request(office.book())
    planted = add_points([request.commitment, commit([(("H", position), 7)])])
    with pytest.raises(ProofRefused):
        office.issuer.issue(office.ledger, replace(request, commitment=planted), ADA, EXPIRES)
    assert office.issuer.issued() == []


def test_a_proof_of_a_wider_circuit_does_not_plant_a_handle(office: Office) -> None:
    keys = WalletKeys(seed(("wallet", "ada")))
    text = builtin_circuit_text("request").replace(
        'messages = ["blind", "owner"]', 'messages = ["blind", "owner", "handle"]'
    )
    text += '\n[[secret]]\nname = "handle"\nmeaning = "planted"\n'
    witness = {"blind": 5, "owner": keys.owner, "handle": 7}
    prover = Prover(Circuit.compile(text, {}), witness=witness)
    ledger_id = office.ledger.ledger_id
    context = digests.credential_request_context(ledger_id, *office.place, 1)
    honest = office.request(office.book())
    forged = replace(
        honest,
        commitment=prover.points["next"],
        proof=prover.prove(ledger_id, context, keys.seed),
    )
    with pytest.raises((ProofRefused, MalformedInput)):
        office.issuer.issue(office.ledger, forged, ADA, EXPIRES)


def test_every_byte_of_a_request_counts(shared: Office) -> None:
    request = shared.request(shared.book())
    for position in range(len(request.proof)):
        proof = bytearray(request.proof)
        proof[position] ^= 1 << position % 8
        with pytest.raises((ProofRefused, MalformedInput)):
            verify_request(replace(request, proof=bytes(proof)))
    for proof_bytes in (b"", request.proof[:-1], request.proof + b"\0"):
        with pytest.raises(ProofRefused):
            verify_request(replace(request, proof=proof_bytes))
    for position in range(48):
        point = bytearray(request.commitment)
        point[position] ^= 1 << position % 8
        with pytest.raises((ProofRefused, MalformedInput)):
            verify_request(replace(request, commitment=bytes(point)))


def test_one_request_has_one_answer(office: Office) -> None:
    request = office.request(office.book())
    reply = office.issuer.issue(office.ledger, request, ADA, EXPIRES)
    for values, expires in [
        (ADA | {"verification_level": 4}, EXPIRES),
        (ADA, EXPIRES + dt.timedelta(days=1)),
    ]:
        with pytest.raises(StateConflict, match="other content"):
            office.issuer.issue(office.ledger, request, values, expires)
    # A new proof of the same commitment is the same request.
    again = office.request(office.book())
    assert again.commitment == request.commitment
    assert again.proof != request.proof
    assert office.issuer.issue(office.ledger, again, ADA, EXPIRES) == reply
    assert len(office.issuer.issued()) == 1


def test_an_answer_is_fixed_before_it_leaves(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = office.request(office.book())
    store = office.issuer._store

    def crash(row: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "add", crash)
        with pytest.raises(KeyboardInterrupt):
            office.issuer.issue(office.ledger, request, ADA, EXPIRES)
    assert office.issuer.issued() == []
    reply = office.issuer.issue(office.ledger, request, ADA, EXPIRES)
    assert [row.handle for row in office.issuer.issued()] == [reply.handle]


def test_a_stolen_request_or_reply_is_of_no_use_to_others(office: Office) -> None:
    reply = office.reply(office.book("ada"))
    thief = office.book("thief")
    with pytest.raises(Refused, match="not-requested"):
        thief.receive(office.ledger, reply)
    request = thief.request(office.ledger, *office.place)
    with pytest.raises(ProofRefused):
        thief.receive(office.ledger, replace(reply, commitment=request.commitment))
    assert thief.list() == []


def test_handles_of_a_schema_differ_and_are_random(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter([4, 4, 4, 9, 9, 4, 3])
    monkeypatch.setattr("secrets.randbelow", lambda limit: next(drawn))
    handles = [office.reply(office.book(name)).handle for name in range(3)]
    assert handles == [5, 10, 4]


# -- issuer or network against holder ------------------------------------------------------

Change = Callable[[CredentialReply], CredentialReply]


def _flip(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


CHANGES: dict[str, Change] = {
    "name": lambda r: replace(r, values=["Eve", *r.values[1:]]),
    "birth date": lambda r: replace(r, values=[*r.values[:2], "1990-05-31", *r.values[3:]]),
    "country": lambda r: replace(r, values=[*r.values[:3], "BE", *r.values[4:]]),
    "level": lambda r: replace(r, values=[*r.values[:5], "4", r.values[6]]),
    "swapped texts": lambda r: replace(r, values=[r.values[1], r.values[0], *r.values[2:]]),
    "handle": lambda r: replace(r, handle=r.handle ^ 1 or 2),
    "expiry": lambda r: replace(r, expires=r.expires + dt.timedelta(days=365)),
    "signature A": lambda r: replace(r, signature=_flip(r.signature, 47)),
    "signature e": lambda r: replace(r, signature=_flip(r.signature, 79)),
    "no signature": lambda r: replace(r, signature=bytes(80)),
    "point at infinity": lambda r: replace(
        r, signature=bytes([0xC0]) + bytes(47) + r.signature[48:]
    ),
    "key": lambda r: replace(r, key_number=2),
    "issuer": lambda r: replace(r, issuer_id=bytes(32)),
    "schema": lambda r: replace(r, schema_hash=BUSINESS.hash),
    "ledger": lambda r: replace(r, ledger_id=bytes(32)),
    "commitment": lambda r: replace(r, commitment=commit([("owner", 1)])),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_reply_is_refused(shared: Office, change: str) -> None:
    book = shared.book("reply")
    reply = shared.reply(book)
    with pytest.raises((Refused, MalformedInput)):
        book.receive(shared.ledger, CHANGES[change](reply))
    assert book.list() == []
    book.receive(shared.ledger, reply)


def test_a_credential_of_another_ledger_is_refused(shared: Office) -> None:
    reply = shared.reply(shared.book("ledger"))
    with pytest.raises(Refused, match="wrong-ledger"):
        shared.book("ledger").receive(shared.ledger, replace(reply, ledger_id=bytes(32)))


def test_a_second_answer_to_one_request_is_noticed(office: Office) -> None:
    """An issuer that has lost its table, or never kept one."""
    book = office.book()
    held = office.credential(book)
    request = book.request(office.ledger, *office.place, 0)
    office.issuer._store._run("DELETE FROM issued")
    other = office.issuer.issue(office.ledger, request, ADA, EXPIRES)
    with pytest.raises(StateConflict, match="something else"):
        book.receive(office.ledger, other)
    assert book.list() == [held]


def test_a_credential_under_a_closed_key_is_refused(office: Office) -> None:
    book = office.book()
    reply = office.reply(book)
    office.issuer.close_key(office.ledger, IDENTITY.hash, 1)
    with pytest.raises(Refused, match="key-closed"):
        book.receive(office.ledger, reply)


def test_keys_are_not_shared_between_schemas(office: Office) -> None:
    """One key for two schemas would let the fields of one be read as those of the other."""
    issuer, ledger = office.issuer, office.ledger
    issuer.publish_schema(ledger, BUSINESS)
    used = ledger.registry.credential_key(*office.place, 1).bbs_key
    statement = CredentialKeyStatement(issuer.issuer_id, BUSINESS.hash, 1, KeyAction.OPEN, used)
    with pytest.raises(Refused, match="key-reuse"):
        issuer._desk.submit(ledger, statement)
    issuer.open_key(ledger, BUSINESS.hash)
    assert ledger.registry.credential_key(issuer.issuer_id, BUSINESS.hash, 1).bbs_key != used


def test_an_issuer_does_not_sign_under_a_key_that_is_not_its_own(office: Office) -> None:
    issuer, ledger = office.issuer, office.ledger
    foreign = IssuerKey.derive(seed("foreign"), b"key").public_key
    statement = CredentialKeyStatement(issuer.issuer_id, IDENTITY.hash, 2, KeyAction.OPEN, foreign)
    issuer._desk.submit(ledger, statement)
    with pytest.raises(StateConflict, match="another seed"):
        office.reply(office.book())


def test_blindings_of_two_requests_have_nothing_in_common(shared: Office) -> None:
    keys = WalletKeys(seed(("wallet", "ada")))
    slots = [
        Slot(*shared.place, 1, 0),
        Slot(*shared.place, 1, 1),
        Slot(*shared.place, 2, 0),
        Slot(shared.place[0], BUSINESS.hash, 1, 0),
        Slot(bytes(32), IDENTITY.hash, 1, 0),
    ]
    assert len({request_commitment(keys, slot) for slot in slots}) == len(slots)


# -- revocation lists ----------------------------------------------------------------------


def _list_of(office: Office, revoked: list[int], **changes: Any) -> RevocationList:
    place: dict[str, Any] = {
        "ledger_id": office.ledger.ledger_id,
        "issuer_id": office.place[0],
        "schema_hash": office.place[1],
        "key_number": 1,
        "epoch": 2,
    } | changes
    key = office.issuer._desk.keys.credential_key(IDENTITY.hash, 1)
    epoch = place.pop("epoch")
    return RevocationList.sign(key, tuple(place.values()), epoch, revoked)


def _publish(office: Office, data: bytes) -> None:
    """The issuer puts a list of its own making on the ledger as epoch 2."""
    digest = blake3_hash(data)
    statement = RevocationStatement(*office.place, 1, 2, digest)
    office.issuer._desk.submit(office.ledger, statement)
    office.ledger.attach(data)


def _faults(office: Office, data: bytes) -> dict[int, str]:
    book = office.book()
    office.credential(book)
    _publish(office, data)
    report = book.refresh_gaps(office.ledger)
    gap = book.get(1).gap
    assert gap is not None
    assert gap.epoch == (1 if report.faulty else 2)
    return report.faulty


def test_the_published_list_itself_is_accepted(office: Office) -> None:
    assert _faults(office, _list_of(office, []).encode()) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"ledger_id": bytes(32)},
        {"issuer_id": bytes(32)},
        {"schema_hash": BUSINESS.hash},
        {"key_number": 2},
        {"epoch": 1},
        {"epoch": 3},
    ],
)
def test_gaps_of_another_key_or_epoch(office: Office, changes: dict[str, Any]) -> None:
    faulty = _faults(office, _list_of(office, [], **changes).encode())
    assert "another key or epoch" in faulty[1]


@pytest.mark.parametrize("epoch", [1, 3])
def test_gap_signatures_of_another_epoch_under_this_one(office: Office, epoch: int) -> None:
    other = _list_of(office, [], epoch=epoch).signatures
    forged = RevocationList(office.ledger.ledger_id, *office.place, 1, 2, (), other)
    assert list(_faults(office, forged.encode())) == [1]


def test_gap_signatures_of_another_key(office: Office) -> None:
    key = IssuerKey.derive(seed("foreign"), b"key")
    place = (office.ledger.ledger_id, *office.place, 1)
    assert list(_faults(office, RevocationList.sign(key, place, 2, []).encode())) == [1]


def test_a_wider_gap_than_the_signed_one(office: Office) -> None:
    """The list drops a revoked handle but keeps the signature of one of its gaps."""
    signed = _list_of(office, [1])
    forged = RevocationList(
        office.ledger.ledger_id, *office.place, 1, 2, (), signed.signatures[80:]
    )
    assert list(_faults(office, forged.encode())) == [1]


def test_bytes_that_are_no_list(office: Office) -> None:
    assert list(_faults(office, b"no list")) == [1]


def test_a_list_that_the_ledger_does_not_name(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = office.book()
    book.receive(office.ledger, office.reply(book))
    forged = _list_of(office, [book.get(1).handle], epoch=1).encode()
    monkeypatch.setattr(office.ledger, "attachment", lambda digest: forged)
    report = book.refresh_gaps(office.ledger)
    assert "not the one that the ledger names" in report.faulty[1]
    assert not book.get(1).revoked


def test_gaps_end_at_the_revoked_handles(shared: Office) -> None:
    found = _list_of(shared, [1, 5, 7, HANDLE_END - 1])
    gaps: dict[int, tuple[int, int] | None] = {
        1: None,
        2: (1, 5),
        4: (1, 5),
        5: None,
        6: (5, 7),
        7: None,
        8: (7, HANDLE_END - 1),
        HANDLE_END - 2: (7, HANDLE_END - 1),
        HANDLE_END - 1: None,
    }
    for handle, bounds in gaps.items():
        gap = found.gap(handle)
        assert (gap and (gap.lo, gap.hi)) == bounds
        if gap:
            assert gap.lo < handle < gap.hi
    empty = _list_of(shared, [])
    for handle in (1, HANDLE_END - 1):
        gap = empty.gap(handle)
        assert gap is not None
        assert (gap.lo, gap.hi) == (0, HANDLE_END)
    for handle in (0, -1, HANDLE_END):
        with pytest.raises(CallerError):
            empty.gap(handle)
        with pytest.raises(CallerError):
            _list_of(shared, [handle])


def test_lists_have_one_form_only(shared: Office) -> None:
    found = _list_of(shared, [3, 9])
    data = found.encode()
    assert RevocationList.decode(data) == found
    assert _list_of(shared, [9, 3, 3]).encode() == data
    assert len(data) == 109 + 2 * 84 + 80
    start = 109
    refused = [
        b"",
        data[:-1],
        data + b"\0",
        b"\2" + data[1:],
        data[:start] + (9).to_bytes(4, "big") + data[start + 4 :],  # 9, 9
        data[:start] + (10).to_bytes(4, "big") + data[start + 4 :],  # 10, 9
        data[:start] + bytes(4) + data[start + 4 :],  # 0, 9
        data[: start - 4] + b"\xff" * 4 + data[start:],
    ]
    for changed in refused:
        with pytest.raises(MalformedInput):
            RevocationList.decode(changed)


def test_what_is_broken_raises_the_packages_own_errors(shared: Office) -> None:
    request = shared.request(shared.book())
    for change in ({"commitment": bytes(48)}, {"commitment": b"\xc0" + bytes(47)}):
        with pytest.raises(ZkCreditError):
            verify_request(replace(request, **change))
    assert isinstance(request, CredentialRequest)
