from __future__ import annotations

import json
import sys
from typing import Any

import msgspec
import pytest

from zkcredit import messages
from zkcredit.errors import CallerError, MalformedInput
from zkcredit.messages import (
    BillingDocument,
    Invoice,
    OpenRequest,
    PayoutOrder,
    SettlementOpening,
    Totals,
    TotalsRow,
    canonical_bytes,
    decode_message,
    encode_message,
    message_type,
    read_field,
    signing_digest,
    to_builtins,
)

INVOICE = Invoice(
    ledger_id=b"\x01" * 32,
    merchant_id=b"\x02" * 32,
    amount_minor=1250,
    currency="TWD",
    rho=b"\x03" * 32,
    payee=b"\x04" * 32,
    accepted=[b"\x05" * 32, b"\x06" * 32],
    not_after_ms=1_800_000_000_000,
    nonce=b"\x07" * 32,
    label="Tee, grün",
    signature=b"\x08" * 96,
)
ORDER = PayoutOrder(
    ledger_id=b"\x01" * 32,
    issuer_id=b"\x02" * 32,
    entry_index=7,
    merchant_id=b"\x03" * 32,
    currency="TWD",
    sum_minor=100,
    fee_minor=2,
    net_minor=98,
    reference="IBAN",
    issued_ms=5,
    signature=b"\x04" * 96,
)


def fields(**changes: Any) -> bytes:
    return json.dumps({**to_builtins(INVOICE), **changes}).encode()


@pytest.mark.parametrize("indent", [False, True])
def test_messages_come_back(indent: bool) -> None:
    data = encode_message(INVOICE, indent=indent)
    found = decode_message(data, Invoice)
    assert found == INVOICE
    assert encode_message(found, indent=indent) == data
    assert data.endswith(b"}\n") is indent
    assert decode_message(data.decode(), Invoice) == INVOICE
    assert message_type(data) == "zkcredit/invoice/1"
    assert json.loads(data)["rho"] == "03" * 32


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_minor": 0},
        {"amount_minor": -1},
        {"amount_minor": 1.0},
        {"amount_minor": "1"},
        {"amount_minor": True},
        {"amount_minor": 1 << 63},
        {"currency": "twd"},
        {"currency": "TWD\n"},
        {"rho": "03" * 31},
        {"rho": "03" * 33},
        {"rho": "0X" + "03" * 31},
        {"rho": "AA" * 32},
        {"rho": " " + "03" * 31 + "3"},
        {"rho": "0" * 63},
        {"rho": 3},
        {"rho": None},
        {"accepted": []},
        {"accepted": ["05"]},
        {"accepted": {}},
        {"label": ""},
        {"label": "x" * 65},
        {"label": "a\nb"},
        {"label": "a\u202eb"},
        {"label": "e\u0301"},
        {"type": "zkcredit/invoice/2"},
        {"type": None},
        {"extra": 1},
    ],
)
def test_wrong_fields_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedInput):
        decode_message(fields(**changes), Invoice)


def test_missing_and_repeated_fields_are_refused() -> None:
    plain = to_builtins(INVOICE)
    for name in plain.keys() - {"presentation"}:  # the one field that may be left out
        less = {key: value for key, value in plain.items() if key != name}
        with pytest.raises(MalformedInput):
            decode_message(json.dumps(less), Invoice)
    data = encode_message(INVOICE)
    with pytest.raises(MalformedInput, match="repeated"):
        decode_message(data[:-1] + b',"amount_minor":1}', Invoice)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"1", b"\xff", b"[" * 100_000, b"{}", b'{"type":1}']
)
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        decode_message(data, Invoice)
    with pytest.raises(MalformedInput):
        message_type(data)


@pytest.mark.parametrize("half", ["\ud800", "\udc00\ud800"])
@pytest.mark.parametrize("escaped", [False, True])
def test_half_characters(half: str, *, escaped: bool) -> None:
    """Text that has no UTF-8 could not be hashed."""
    pair = b"\\ud83c\\udf77"  # one character, escaped
    assert decode_message(fields(label="X").replace(b"X", pair), Invoice).label == "\U0001f377"
    for changes in ({"label": half}, {half: 1}, {"accepted": [half]}):
        text = json.dumps({**to_builtins(INVOICE), **changes}, ensure_ascii=escaped)
        for data in (text, text.encode(errors="surrogatepass")):
            with pytest.raises(MalformedInput, match="not a JSON message"):
                decode_message(data, Invoice)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-be"])
def test_other_encodings(encoding: str) -> None:
    with pytest.raises(MalformedInput):
        decode_message(fields().decode().encode(encoding), Invoice)


def test_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_MESSAGE_BYTES", 100)
    with pytest.raises(MalformedInput, match="longer"):
        decode_message(encode_message(INVOICE), Invoice)


def test_one_message_is_not_taken_for_another() -> None:
    with pytest.raises(MalformedInput, match=r"expected .*open-request/1, found .*invoice/1"):
        decode_message(encode_message(INVOICE), OpenRequest)


def test_texts_are_checked_when_built() -> None:
    with pytest.raises(CallerError):
        msgspec.structs.replace(INVOICE, label="a\tb")


@pytest.mark.parametrize("label", ["a\tb", "a\x1b[2Jb", "a\u202eb"])
def test_texts_are_checked_when_read(label: str) -> None:
    with pytest.raises(MalformedInput):
        decode_message(fields(label=label), Invoice)
    with pytest.raises(MalformedInput):
        read_field(Invoice, "label", label)


def test_every_field_but_the_signature_is_signed() -> None:
    changed = {
        "ledger_id": b"\x09" * 32,
        "issuer_id": b"\x09" * 32,
        "merchant_id": b"\x09" * 32,
        "currency": "EUR",
        "reference": "IBAN 2",
    }
    for name in ORDER.__struct_fields__:
        value = changed.get(name, 99)
        other = msgspec.structs.replace(
            ORDER, **{name: b"\x09" * 96 if name == "signature" else value}
        )
        same = canonical_bytes(other) == canonical_bytes(ORDER)
        assert same is (name == "signature"), name
        assert (signing_digest(other) == signing_digest(ORDER)) is same


def test_canonical_bytes_have_one_reading() -> None:
    left = msgspec.structs.replace(INVOICE, accepted=[b"\x05" * 32])
    right = msgspec.structs.replace(INVOICE, accepted=[b"\x05" * 32, b"\x05" * 32])
    assert canonical_bytes(left) != canonical_bytes(right)
    assert canonical_bytes(ORDER).startswith(b"s\0\0\0\x17zkcredit/payout-order/1b\0\0\0\x20")


def test_digests_of_different_messages_differ() -> None:
    opening = SettlementOpening(
        ledger_id=bytes(32),
        entry_index=1,
        merchant_id=bytes(32),
        salt=bytes(32),
        sum_minor=1,
        sum_rho=bytes(32),
        reference="x",
        signature=bytes(96),
    )
    digests = {signing_digest(message) for message in (INVOICE, ORDER, opening)}
    assert len(digests) == 3
    assert all(len(digest) == 32 for digest in digests)


def test_printing_shows_no_secret() -> None:
    text = repr(INVOICE)
    assert "1250" in text
    assert "03" * 8 not in text
    assert "x03" not in text


def test_totals() -> None:
    row = TotalsRow(
        role="merchant",
        issuer_id=bytes(32),
        asset="TWD",
        sum_minor=177_269_088_097,
        sum_rho=bytes(32),
        indexes=[1, 5],
    )
    totals = Totals(ledger_id=bytes(32), rows=[row])
    assert decode_message(encode_message(totals), Totals) == totals
    plain = to_builtins(totals)
    plain["rows"][0]["role"] = "operator"
    with pytest.raises(MalformedInput):
        decode_message(json.dumps(plain), Totals)


def test_adjustment_of_a_document() -> None:
    document = BillingDocument(
        ledger_id=bytes(32),
        issuer_id=bytes(32),
        terms_hash=bytes(32),
        account=1,
        period=1,
        next_period=2,
        entry_index=3,
        bill_minor=1_000,
        previous_balance_minor=500,
        payments_minor=300,
        credits_minor=20,
        added_before_minor=100,
        interest_minor=7,
        late_fee_minor=5,
        waived_minor=2,
        limit_change_minor=-50,
        limit_minor=10_000,
        balance_minor=0,
        minimum_minor=0,
        arrears_minor=0,
        issued_ms=0,
        nonce=bytes(32),
        signature=bytes(96),
    )
    assert document.adjustment_minor == 300 + 20 - 100 - 7 - 5 + 2 - 50


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000])
def test_deep_nesting_is_refused_whatever_the_recursion_limit(text: bytes) -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(200_000)
    try:
        for read in (message_type, lambda data: decode_message(data, Invoice)):
            with pytest.raises(MalformedInput, match="brackets"):
                read(text)
    finally:
        sys.setrecursionlimit(before)
