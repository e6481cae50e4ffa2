"""Message files that people exchange: strict JSON with a versioned type tag.

Every message is one JSON object whose ``type`` is ``zkcredit/<name>/1``. Byte
strings are lower-case hexadecimal of exact length, amounts are minor units, and
unknown, missing or repeated fields are refused. Signed messages are signed over
:func:`signing_digest`, which does not depend on how the JSON was laid out. Those
with a ``nonce`` are records: their digest is a commitment to each field by itself
(:mod:`zkcredit.commitment`), so that one field can be shown with proof.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec

from zkcredit.codec import text_problem
from zkcredit.commitment import canonical_value, commit_fields
from zkcredit.errors import CallerError, MalformedInput, ProofRefused, Refused
from zkcredit.money import CURRENCY_PATTERN, MAX_MINOR

if TYPE_CHECKING:
    HexBytes: TypeAlias = bytes
    Hex32: TypeAlias = bytes
    Hex80: TypeAlias = bytes
    Hex96: TypeAlias = bytes
    Hex128: TypeAlias = bytes
else:

    class HexBytes(bytes):
        """Bytes of any length."""

        size = None

    class Hex32(bytes):
        """32 bytes: a hash, an identifier, a scalar or a key."""

        size = 32

    class Hex80(bytes):
        """80 bytes: an issuer's signature on a token."""

        size = 80

    class Hex96(bytes):
        """96 bytes: a BLS signature."""

        size = 96

    class Hex128(bytes):
        """128 bytes: a memo."""

        size = 128


MAX_MESSAGE_BYTES = 4 << 20
"""Longest message file that is read, in bytes."""
MAX_BRACKETS = 2_000
"""Most lists and objects of a message: messages are nearly flat."""

Minor = Annotated[int, msgspec.Meta(ge=0, le=MAX_MINOR)]
SignedMinor = Annotated[int, msgspec.Meta(ge=-MAX_MINOR, le=MAX_MINOR)]
Counter = Annotated[int, msgspec.Meta(ge=0, le=MAX_MINOR)]
Period = Annotated[int, msgspec.Meta(ge=1, le=0xFFFFFFFF)]
Account = Annotated[int, msgspec.Meta(ge=1, le=0xFFFFFFFF)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Currency = Annotated[str, msgspec.Meta(pattern=f"^{CURRENCY_PATTERN}$")]


class Message(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
):
    """Base of all messages; texts are checked, and printing shows no bytes.

    Blindings, keys and signatures would otherwise end up in logs and tracebacks.
    """

    def __repr__(self) -> str:
        shown = []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            shown.append(f"{name}=<{len(value)} bytes>" if isinstance(value, bytes) else name)
            if not isinstance(value, bytes | list):
                shown[-1] += f"={value!r}"
        return f"{type(self).__name__}({', '.join(shown)})"

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, str) and (problem := text_problem(value)) is not None:
                raise CallerError(f"{name}: {problem}")


class Signed(Message, frozen=True, kw_only=True):
    """A message that ends with its author's BLS signature over :func:`signing_digest`."""

    if TYPE_CHECKING:  # the fields themselves stand last in each message
        signature: Hex96


class Document(Signed, frozen=True, kw_only=True):
    """A signed message that is kept as a record: its digest commits to each field by itself.

    ``nonce`` is random and salts the fields. See :mod:`zkcredit.commitment`.
    """

    if TYPE_CHECKING:
        nonce: Hex32


class OpenRequest(Message, frozen=True, kw_only=True, tag="zkcredit/open-request/1"):
    """Holder → lender: asks for a line; the lender adds its approval and submits it.

    ``statement`` is the open statement, ``reply_key`` seals the lender's answer,
    ``presentation`` is what the lender's onboarding policy asks for, if it has one.
    """

    ledger_id: Hex32
    statement: HexBytes
    proof: HexBytes
    memo: Hex128
    reply_key: Hex32
    presentation: HexBytes = b""


class Invoice(Document, frozen=True, kw_only=True, tag="zkcredit/invoice/1"):
    """Merchant → holder: what to pay. Everything but its hash stays between the two.

    ``accepted`` are the terms hashes the merchant takes, ``rho`` the claim's
    blinding, ``payee`` the hash of the one-time key that may settle the claim.
    The digest that the purchase's entry shows is the commitment to these fields, so
    that a paid invoice is a receipt with its proof on the log. ``presentation`` is that of
    the merchant's business credential, or empty (:mod:`zkcredit.policies.business`).
    """

    ledger_id: Hex32
    merchant_id: Hex32
    amount_minor: Annotated[int, msgspec.Meta(ge=1, le=MAX_MINOR)]
    currency: Currency
    rho: Hex32
    payee: Hex32
    accepted: Annotated[list[Hex32], msgspec.Meta(min_length=1, max_length=256)]
    not_after_ms: Counter
    nonce: Hex32
    label: Label
    presentation: HexBytes = b""
    signature: Hex96

    def bare(self) -> Invoice:
        """The invoice without its presentation: what is kept as a receipt."""
        return msgspec.structs.replace(self, presentation=b"")


class StatementOpening(Message, frozen=True, kw_only=True, tag="zkcredit/statement-opening/1"):
    """Holder → lender only: opens the bill in the statement entry ``entry_index``.

    ``delta`` = rho_S − rho_Y and ``rho_due`` = rho_D are scalars.
    """

    ledger_id: Hex32
    entry_index: Counter
    account: Account
    due_minor: SignedMinor
    delta: Hex32
    rho_due: Hex32
    reply_key: Hex32


class UpdateOpening(Message, frozen=True, kw_only=True, tag="zkcredit/update-opening/1"):
    """Holder → lender only: shows the account behind the update entry ``entry_index``."""

    ledger_id: Hex32
    entry_index: Counter
    account: Account
    delta: Hex32
    reply_key: Hex32


class SettlementOpening(Signed, frozen=True, kw_only=True, tag="zkcredit/settlement-opening/1"):
    """Merchant → lender only: the sum behind the settle entry ``entry_index``.

    ``signature`` is the merchant's.
    """

    ledger_id: Hex32
    entry_index: Counter
    merchant_id: Hex32
    salt: Hex32
    sum_minor: Minor
    sum_rho: Hex32
    reference: Label
    signature: Hex96


class PayoutOrder(Signed, frozen=True, kw_only=True, tag="zkcredit/payout-order/1"):
    """Lender → merchant: the signed promise to pay ``net_minor`` for one settlement."""

    ledger_id: Hex32
    issuer_id: Hex32
    entry_index: Counter
    merchant_id: Hex32
    currency: Currency
    sum_minor: Minor
    fee_minor: Minor
    net_minor: Minor
    reference: Label
    issued_ms: Counter
    signature: Hex96


class BillingDocument(Document, frozen=True, kw_only=True, tag="zkcredit/billing-document/1"):
    """Lender → holder: one period's bill, signed; the wallet recomputes every figure.

    ``added_before_minor`` are payments and credits of this document that an update
    has already put on the line; the line moves by :attr:`adjustment_minor`.
    """

    ledger_id: Hex32
    issuer_id: Hex32
    terms_hash: Hex32
    account: Account
    period: Period
    next_period: Period
    entry_index: Counter
    bill_minor: SignedMinor
    previous_balance_minor: SignedMinor
    payments_minor: Minor
    credits_minor: Minor
    added_before_minor: Minor
    interest_minor: Minor
    late_fee_minor: Minor
    waived_minor: Minor
    limit_change_minor: SignedMinor
    limit_minor: Minor
    balance_minor: SignedMinor
    minimum_minor: Minor
    arrears_minor: Minor
    issued_ms: Counter
    nonce: Hex32
    signature: Hex96

    @property
    def adjustment_minor(self) -> int:
        """What this document adds to the credit that is available on the line."""
        added_minor = self.payments_minor + self.credits_minor - self.added_before_minor
        charges_minor = self.interest_minor + self.late_fee_minor - self.waived_minor
        return added_minor - charges_minor + self.limit_change_minor


class OpenReply(Message, frozen=True, kw_only=True, tag="zkcredit/open-reply/1"):
    """Sealed answer to an open entry: the signature and what the lender added."""

    signature: Hex80
    account: Account
    limit_minor: Minor
    attributes: list[Counter]


class UpdateReply(Message, frozen=True, kw_only=True, tag="zkcredit/update-reply/1"):
    """Sealed answer to an update entry: what was added to the line since the last reply."""

    signature: Hex80
    payments_minor: Minor
    credits_minor: Minor
    limit_change_minor: SignedMinor
    limit_minor: Minor


class StatementReply(Message, frozen=True, kw_only=True, tag="zkcredit/statement-reply/1"):
    """Sealed answer to a statement entry: the signature and the signed document."""

    signature: Hex80
    document: BillingDocument


class TotalsRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One opened sum: Σ amount and Σ rho over one issuer's claims (or bills) of one asset.

    ``indexes`` lists the spend entries a merchant's row covers; a lender's row
    covers every statement entry of the issuer and has none.
    """

    role: Literal["merchant", "lender"]
    issuer_id: Hex32
    asset: Currency
    sum_minor: SignedMinor
    sum_rho: Hex32
    indexes: list[Counter] | None = None


class Totals(Message, frozen=True, kw_only=True, tag="zkcredit/totals/1"):
    """Merchant or lender → auditor: opens sums that the auditor computes from the log."""

    ledger_id: Hex32
    rows: list[TotalsRow]


_T = TypeVar("_T", bound=Message)
_K = TypeVar("_K", bound=msgspec.Struct)


def _write_bytes(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: _write_bytes(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_write_bytes(item) for item in value]
    return value


def _read_bytes(kind: type, value: object) -> object:
    size = getattr(kind, "size", 0)
    if not isinstance(value, str):
        raise TypeError("expected lower-case hexadecimal")
    if size is not None and len(value) != 2 * size:
        raise ValueError(f"expected {size} bytes as {2 * size} hexadecimal digits")
    try:
        data = bytes.fromhex(value)
    except ValueError:
        raise ValueError("expected lower-case hexadecimal") from None
    if data.hex() != value:  # capitals or spaces
        raise ValueError("expected lower-case hexadecimal")
    return kind(data)


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is repeated")
    return fields


def load_json(data: bytes | str, what: str) -> Any:
    """Parsed JSON in UTF-8. Brackets are counted first: the parser goes as deep as they
    nest, and a library that raises the recursion limit would let it overflow the stack.
    An escape may not leave half a character: no hash could be made of such a text.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise MalformedInput(f"message is longer than {MAX_MESSAGE_BYTES} bytes")
    try:
        text = data.decode() if isinstance(data, bytes) else data
        if text.count("[") + text.count("{") > MAX_BRACKETS:
            raise ValueError(f"it has more than {MAX_BRACKETS} brackets")
        found = json.loads(text, object_pairs_hook=_unique_fields)
        if not text.isascii() or "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except (ValueError, RecursionError) as error:
        raise MalformedInput(f"not {what}: {error}") from None


def to_builtins(message: msgspec.Struct) -> dict[str, Any]:
    """The message as JSON-ready dictionaries, bytes as hexadecimal."""
    plain = msgspec.to_builtins(message, builtin_types=(bytes,), enc_hook=bytes)
    result: dict[str, Any] = _write_bytes(plain)
    return result


def encode_message(message: msgspec.Struct, *, indent: bool = False) -> bytes:
    """UTF-8 JSON of a message, compact or (for files) indented with a final newline."""
    raw = msgspec.json.encode(to_builtins(message))
    return msgspec.json.format(raw, indent=2) + b"\n" if indent else raw


def decode_message(data: bytes | str, expected: type[_T]) -> _T:
    """The message of type ``expected``; MalformedInput says what is wrong and where."""
    name = expected.__struct_config__.tag
    raw = load_json(data, f"a JSON message of type {name}")
    if isinstance(raw, dict) and raw.get("type") != name:
        raise MalformedInput(f"expected a message of type {name}, found {raw.get('type')!r}")
    return convert_fields(raw, expected, f"message {name}")


def convert_fields(raw: Any, kind: type[_K], what: str) -> _K:
    """Parsed JSON as a struct with bytes; MalformedInput names ``what`` and the place."""
    try:
        return msgspec.convert(raw, kind, dec_hook=_read_bytes)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise MalformedInput(f"{what}: {error}") from None


def read_field(kind: type[Message], name: str, value: Any) -> Any:
    """The typed value of one field of a message from its JSON form; MalformedInput."""
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    if name not in types:
        raise MalformedInput(f"{kind.__struct_config__.tag} has no field {name!r}")
    try:
        found = msgspec.convert(value, types[name], dec_hook=_read_bytes)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise MalformedInput(f"{name}: {error}") from None
    if isinstance(found, str) and (problem := text_problem(found)) is not None:
        raise MalformedInput(f"{name}: {problem}")
    return found


def message_type(data: bytes | str) -> str:
    """The ``type`` tag of a message, to choose how to read it; MalformedInput without one."""
    raw = load_json(data, "a JSON message")
    tag = raw.get("type") if isinstance(raw, dict) else None
    if not isinstance(tag, str):
        raise MalformedInput("not a message: it has no type")
    return tag


UNCOMMITTED = frozenset({"nonce", "presentation", "signature"})
"""Fields outside a document's commitment: what salts it, what is proved about it, what signs it."""


def committed_fields(document: Document) -> list[tuple[str, object]]:
    """(name, value) of the fields that a document commits to, in declared order."""
    names = [name for name in document.__struct_fields__ if name not in UNCOMMITTED]
    return [(name, getattr(document, name)) for name in names]


def canonical_bytes(message: msgspec.Struct) -> bytes:
    """Type tag and fields in declared order, without ``signature``."""
    names = [name for name in message.__struct_fields__ if name != "signature"]
    tag = canonical_value(str(message.__struct_config__.tag))
    return tag + b"".join(canonical_value(getattr(message, name)) for name in names)


def signing_digest(message: Signed) -> bytes:
    """The 32 bytes that the message's BLS signature covers.

    For a document it is the commitment to its fields: an invoice's is the invoice hash
    in the entry of its purchase.
    """
    from zkcredit._native import derive_key

    if isinstance(message, Document):
        kind = str(message.__struct_config__.tag)
        return commit_fields(kind, message.nonce, committed_fields(message))
    return derive_key(f"zkcredit v1 {_plain_name(message)}", canonical_bytes(message))


def _plain_name(message: Message) -> str:
    """``payout order`` for a message of type ``zkcredit/payout-order/1``."""
    return str(message.__struct_config__.tag).split("/")[1].replace("-", " ")


def check_signature(message: Signed, bls_key: bytes, signer: str) -> None:
    """Refused ``bad-signature`` unless the message is signed under this key (48 bytes).

    ``signer`` says in the error whose signature it should be.
    """
    digest = signing_digest(message)
    check_signed(digest, message.signature, bls_key, f"the {_plain_name(message)}", signer)


def check_signed(digest: bytes, signature: bytes, bls_key: bytes, what: str, signer: str) -> None:
    """Refused ``bad-signature`` unless ``signature`` (BLS, 96 bytes) is on the digest."""
    from zkcredit._native import bls_verify_batch

    try:
        bls_verify_batch([(bls_key, digest, signature)])
    except (ProofRefused, MalformedInput):
        raise Refused("bad-signature", f"{what} is not signed by {signer}") from None


_S = TypeVar("_S", bound=Signed)


def unsigned(kind: type[_S], **fields: Any) -> _S:
    """A signed message before its signature, which is 96 zero bytes."""
    return kind(signature=bytes(96), **fields)


def signed(message: _S, signature: bytes) -> _S:
    """The same message with its signature."""
    return msgspec.structs.replace(message, signature=signature)


def prepare_types(*kinds: type[msgspec.Struct]) -> None:
    """Has msgspec look at these types now, while nobody else does.

    It does so on first use otherwise, and two threads that do it at once crash the process.
    """
    for kind in kinds:
        msgspec.json.Decoder(kind, dec_hook=_read_bytes)


def _all_kinds(base: type[Message]) -> list[type[Message]]:
    below = base.__subclasses__()
    return below + [kind for one in below for kind in _all_kinds(one)]


prepare_types(*_all_kinds(Message))
