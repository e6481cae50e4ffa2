"""Credentials and presentations as files in the shape of JSON Web Proofs, JSON or CBOR.

The containers follow draft-ietf-jose-json-web-proof: a protected header of the issuer,
one slot for each signed message in order (a hidden one is ``null``), the proofs; base64url
without padding in JSON, byte strings in CBOR. Two things are our own: ``alg`` names the
signature on scalars of this project (so generic tools can read the container, not verify
it), and a presentation lists several credentials, each with its header and slots::

    credential    {"issuer", "payloads", "proofs"}        [header, payloads, proofs]
    presentation  {"presentation", "credentials": [{"issuer", "payloads"}], "proofs"}
                                      [header, [[header, payloads], …], proofs]

Slots are ``blind, owner, handle, expires`` and the schema's fields, each as the UTF-8 text
of its value. Blind and owner are always hidden: an exported credential opens in the wallet
that it was issued to and nowhere else. It shows the values in the clear.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec

from zkcredit.credentials.held import FIELDS, HANDLE_MAX, HeldCredential
from zkcredit.credentials.holder import CREDENTIAL_CBOR, CREDENTIAL_JSON
from zkcredit.credentials.messages import KeyNumber
from zkcredit.errors import CallerError, MalformedInput
from zkcredit.messages import Hex32, HexBytes, convert_fields, load_json, prepare_types, to_builtins
from zkcredit.policies.clauses import FieldRef
from zkcredit.policies.presentation import CredentialUse, Epoch, Presentation

if TYPE_CHECKING:
    from zkcredit.ledger.registry import Registry
    from zkcredit.policies.resolve import Requirements

PRESENTATION_JSON = "application/vnd.zkcredit.presentation+json"
PRESENTATION_CBOR = "application/vnd.zkcredit.presentation+cbor"
"""Media types of exported presentations; ``version`` in each header counts formats from 1."""

MAX_BYTES = 1 << 20
"""Longest file that is read, in bytes."""
_MAX_DEPTH = 6
_BINARY = frozenset({"ledger", "issuer", "schema", "request", "pseudonym", "bound", "bound_terms"})
_LABELS: dict[str, int | str] = {"alg": 1, "typ": 3}  # registered for CBOR headers of proofs
_NAMES = {label: name for name, label in _LABELS.items()}
Ordinal = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
Slots = list[bytes | None]


class _Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Literal[1]
    ledger: Hex32


class CredentialHeader(_Header, frozen=True, kw_only=True):
    """Header of an exported credential; ``ordinal`` finds its blinding again."""

    typ: Literal["vnd.zkcredit.credential"]
    alg: Literal["zkcredit-bbs"]
    issuer: Hex32
    schema: Hex32
    key: KeyNumber
    ordinal: Ordinal


class UseHeader(_Header, frozen=True, kw_only=True):
    """Header of one credential in a presentation; ``epoch`` is that of its revocation list."""

    typ: Literal["vnd.zkcredit.credential"]
    alg: Literal["zkcredit-bbs"]
    issuer: Hex32
    schema: Hex32
    key: KeyNumber
    epoch: Epoch


class PresentationHeader(_Header, frozen=True, kw_only=True):
    """Header of a presentation: the request that it answers, and its public points."""

    typ: Literal["vnd.zkcredit.presentation"]
    alg: Literal["zkcredit-engine"]
    request: Hex32
    list_keys: list[KeyNumber]
    pseudonym: HexBytes
    bound: HexBytes
    bound_terms: HexBytes


class _Slotted(NamedTuple):
    header: Mapping[str, Any]
    payloads: Slots


class _Container(NamedTuple):
    """What both encodings carry; headers as JSON-ready dictionaries."""

    presentation: Mapping[str, Any] | None
    credentials: list[_Slotted]
    proofs: list[bytes]


# -- credentials -----------------------------------------------------------------------------


def write_credential(credential: HeldCredential, media_type: str = CREDENTIAL_JSON) -> bytes:
    """A credential as a file of one of the two credential media types."""
    header = CredentialHeader(
        version=1,
        typ="vnd.zkcredit.credential",
        alg="zkcredit-bbs",
        ledger=credential.ledger_id,
        issuer=credential.issuer_id,
        schema=credential.schema_hash,
        key=credential.key_number,
        ordinal=credential.ordinal,
    )
    texts = [str(credential.handle), credential.expires.isoformat(), *credential.texts]
    payloads: Slots = [None, None, *(text.encode() for text in texts)]
    container = _Container(None, [_Slotted(to_builtins(header), payloads)], [credential.signature])
    return _write(container, media_type, CREDENTIAL_JSON, CREDENTIAL_CBOR)


def read_credential(data: bytes, registry: Registry) -> HeldCredential:
    """The credential in a file, without a number and not verified: see ``CredentialBook``.

    Raises MalformedInput, Refused ``unknown-schema``.
    """
    container = _read(data, presented=False)
    part = container.credentials[0]
    header = convert_fields(part.header, CredentialHeader, "header of a credential")
    schema = registry.schema(header.schema).schema
    if len(container.proofs) != 1 or len(container.proofs[0]) != 80:
        raise MalformedInput("a credential has one signature of 80 bytes")
    if len(part.payloads) != schema.message_count or part.payloads[:2] != [None, None]:
        raise MalformedInput(f"a credential of {schema.name!r} has {schema.message_count} slots")
    texts = [_text(slot) for slot in part.payloads[2:]]
    return HeldCredential(
        number=0,
        ledger_id=bytes(header.ledger),
        issuer_id=bytes(header.issuer),
        encoded_schema=schema.encode(),
        key_number=header.key,
        ordinal=header.ordinal,
        handle=_handle(texts[0]),
        expires=_date(texts[1]),
        texts=texts[2:],
        signature=container.proofs[0],
    )


def _text(slot: bytes | None) -> str:
    if slot is None:
        raise MalformedInput("a slot of the credential is empty")
    try:
        return slot.decode()
    except UnicodeDecodeError:
        raise MalformedInput("a slot is not valid UTF-8") from None


def _handle(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
    if not 1 <= number <= HANDLE_MAX or str(number) != text:
        raise MalformedInput(f"not a handle: {text!r}")
    return number


def _date(text: str) -> dt.date:
    try:
        date = dt.date.fromisoformat(text)
    except ValueError:
        date = None
    if date is None or date.isoformat() != text:
        raise MalformedInput(f"not a date: {text!r}")
    return date


# -- presentations ---------------------------------------------------------------------------


def write_presentation(
    presentation: Presentation,
    requirements: Requirements,
    media_type: str = PRESENTATION_JSON,
) -> bytes:
    """A presentation as a file; ``requirements`` of its request say which slot shows what."""
    header = PresentationHeader(
        version=1,
        typ="vnd.zkcredit.presentation",
        alg="zkcredit-engine",
        ledger=presentation.ledger_id,
        request=presentation.request,
        list_keys=presentation.list_keys,
        pseudonym=presentation.pseudonym,
        bound=presentation.bound,
        bound_terms=presentation.bound_terms,
    )
    counts = (len(presentation.credentials), len(presentation.revealed))
    if counts != (len(requirements.slots), len(requirements.reveal)):
        raise CallerError("the presentation does not answer this request")
    shown = dict(zip(requirements.reveal, presentation.revealed, strict=True))
    parts = []
    for slot, use in zip(requirements.slots, presentation.credentials, strict=True):
        payloads: Slots = [None] * slot.schema.message_count
        for place, field in enumerate(slot.schema.fields, FIELDS):
            text = shown.get(FieldRef(slot.alias, field.name))
            payloads[place] = None if text is None else text.encode()
        parts.append(_Slotted(to_builtins(_use_header(presentation, use)), payloads))
    container = _Container(to_builtins(header), parts, [presentation.proof])
    return _write(container, media_type, PRESENTATION_JSON, PRESENTATION_CBOR)


def _use_header(presentation: Presentation, use: CredentialUse) -> UseHeader:
    return UseHeader(
        version=1,
        typ="vnd.zkcredit.credential",
        alg="zkcredit-bbs",
        ledger=presentation.ledger_id,
        issuer=use.issuer_id,
        schema=use.schema_hash,
        key=use.key_number,
        epoch=use.epoch,
    )


def read_presentation(data: bytes, requirements: Requirements) -> Presentation:
    """The presentation in a file, to be verified; MalformedInput if a slot is out of place."""
    container = _read(data, presented=True)
    header = convert_fields(container.presentation, PresentationHeader, "header of a presentation")
    if len(container.credentials) != len(requirements.slots) or len(container.proofs) != 1:
        raise MalformedInput("other credentials are used than asked for")
    uses, shown = [], dict[tuple[str, str], str]()
    for slot, part in zip(requirements.slots, container.credentials, strict=True):
        use = convert_fields(part.header, UseHeader, "header of a credential")
        if use.ledger != header.ledger or len(part.payloads) != slot.schema.message_count:
            raise MalformedInput(f"{slot.alias} is not a credential of {slot.schema.name!r}")
        uses.append(
            CredentialUse(
                issuer_id=use.issuer,
                schema_hash=use.schema,
                key_number=use.key,
                epoch=use.epoch,
            )
        )
        if any(payload is not None for payload in part.payloads[:FIELDS]):
            raise MalformedInput("other fields are revealed than asked for")
        for field, payload in zip(slot.schema.fields, part.payloads[FIELDS:], strict=True):
            if payload is not None:
                shown[slot.alias, field.name] = _text(payload)
    if set(shown) != set(requirements.reveal):
        raise MalformedInput("other fields are revealed than asked for")
    return Presentation(
        ledger_id=header.ledger,
        request=header.request,
        credentials=uses,
        list_keys=header.list_keys,
        revealed=[shown[ref] for ref in requirements.reveal],
        pseudonym=header.pseudonym,
        bound=header.bound,
        bound_terms=header.bound_terms,
        proof=container.proofs[0],
    )


# -- containers ------------------------------------------------------------------------------


def _write(container: _Container, media_type: str, json_type: str, cbor_type: str) -> bytes:
    if media_type == json_type:
        return _to_json(container)
    if media_type == cbor_type:
        return _to_cbor(container)
    raise CallerError(f"the media type must be {json_type} or {cbor_type}")


def _read(data: bytes, *, presented: bool) -> _Container:
    """JSON starts with a brace, CBOR never does."""
    if len(data) > MAX_BYTES:
        raise MalformedInput(f"a file has at most {MAX_BYTES} bytes")
    if data.lstrip()[:1] == b"{":
        return _from_json(data, presented)
    return _from_cbor(data, presented)


class _IssuedJson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    issuer: str
    payloads: list[str | None]
    proofs: list[str]


class _PartJson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    issuer: str
    payloads: list[str | None]


class _PresentedJson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    presentation: str
    credentials: list[_PartJson]
    proofs: list[str]


prepare_types(CredentialHeader, UseHeader, PresentationHeader, _IssuedJson, _PresentedJson)


class _IssuedCbor(NamedTuple):
    header: bytes
    payloads: Slots
    proofs: list[bytes]


class _PartCbor(NamedTuple):
    header: bytes
    payloads: Slots


class _PresentedCbor(NamedTuple):
    header: bytes
    credentials: list[_PartCbor]
    proofs: list[bytes]


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    try:
        data = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = None
    if data is None or _base64(data) != text:
        raise MalformedInput("a part is not base64url without padding")
    return data


def _slots_to_json(slots: Slots) -> list[str | None]:
    return [None if slot is None else _base64(slot) for slot in slots]


def _slots_from_json(slots: Sequence[str | None]) -> Slots:
    return [None if slot is None else _unbase64(slot) for slot in slots]


def _json_header(text: str) -> Mapping[str, Any]:
    header = load_json(_unbase64(text), "a header")
    if not isinstance(header, dict):
        raise MalformedInput("a header must be a JSON object")
    return header


def _to_json(container: _Container) -> bytes:
    parts = [
        _PartJson(_base64(msgspec.json.encode(part.header)), _slots_to_json(part.payloads))
        for part in container.credentials
    ]
    proofs = [_base64(proof) for proof in container.proofs]
    if container.presentation is None:
        return msgspec.json.encode(_IssuedJson(parts[0].issuer, parts[0].payloads, proofs))
    header = _base64(msgspec.json.encode(container.presentation))
    return msgspec.json.encode(_PresentedJson(header, parts, proofs))


def _from_json(data: bytes, presented: bool) -> _Container:
    raw = load_json(data, "a credential or presentation")
    if presented:
        found = convert_fields(raw, _PresentedJson, "presentation")
        header, parts = _json_header(found.presentation), found.credentials
        proofs = found.proofs
    else:
        issued = convert_fields(raw, _IssuedJson, "credential")
        header, parts = None, [_PartJson(issued.issuer, issued.payloads)]
        proofs = issued.proofs
    credentials = [
        _Slotted(_json_header(part.issuer), _slots_from_json(part.payloads)) for part in parts
    ]
    return _Container(header, credentials, [_unbase64(proof) for proof in proofs])


def _cbor_header(header: Mapping[str, Any]) -> bytes:
    import cbor2

    plain = {
        _LABELS.get(name, name): bytes.fromhex(value) if name in _BINARY else value
        for name, value in header.items()
    }
    return cbor2.dumps(plain, canonical=True)


def _to_cbor(container: _Container) -> bytes:
    import cbor2

    parts = [[_cbor_header(part.header), part.payloads] for part in container.credentials]
    if container.presentation is None:
        return cbor2.dumps([*parts[0], container.proofs], canonical=True)
    header = _cbor_header(container.presentation)
    return cbor2.dumps([header, parts, container.proofs], canonical=True)


def _from_cbor(data: bytes, presented: bool) -> _Container:
    raw = _load_cbor(data)
    if presented:
        found = _shaped(raw, _PresentedCbor)
        header, parts = _header_from_cbor(found.header), found.credentials
        proofs = found.proofs
    else:
        issued = _shaped(raw, _IssuedCbor)
        header, parts = None, [_PartCbor(issued.header, issued.payloads)]
        proofs = issued.proofs
    credentials = [_Slotted(_header_from_cbor(part.header), part.payloads) for part in parts]
    return _Container(header, credentials, proofs)


def _load_cbor(data: bytes) -> Any:
    """The item of canonical bytes (RFC 8949, section 4.2.1); MalformedInput for all others."""
    import cbor2

    try:
        item = cbor2.loads(data, max_depth=_MAX_DEPTH, allow_duplicate_keys=False)
        if cbor2.dumps(item, canonical=True) == data:
            return item
    except (cbor2.CBORError, ValueError, TypeError, OverflowError):
        pass
    raise MalformedInput("neither JSON nor canonical CBOR")


_T = TypeVar("_T")


def _shaped(raw: Any, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise MalformedInput(f"not a credential or presentation: {error}") from None


def _header_from_cbor(data: bytes) -> Mapping[str, Any]:
    raw = _load_cbor(data)
    if not isinstance(raw, dict):
        raise MalformedInput("a header must be a map")
    header: dict[str, Any] = {}
    for label, value in raw.items():
        name = _NAMES.get(label) or str(label)
        if label in _LABELS:
            raise MalformedInput(f"{name} must have its registered label")
        if name in _BINARY and not isinstance(value, bytes):
            raise MalformedInput(f"{name} must be a byte string")
        header[name] = value.hex() if isinstance(value, bytes) else value
    return header
