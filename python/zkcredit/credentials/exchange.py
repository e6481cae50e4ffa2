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
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeVar

import msgspec

from zkcredit.credentials.held import (
    CREDENTIAL_CBOR,
    CREDENTIAL_JSON,
    FIELDS,
    HANDLE_MAX,
    HeldCredential,
)
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
_T = TypeVar("_T", bound=msgspec.Struct)
_H = TypeVar("_H", bound="_Header")


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
    pseudonym: HexBytes
    bound: HexBytes
    bound_terms: HexBytes


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One credential of a file: its header, and a slot for each signed message."""

    issuer: bytes
    payloads: Slots


class _Issued(_Part, frozen=True, forbid_unknown_fields=True):
    proofs: list[bytes]


class _Presented(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    presentation: bytes
    credentials: list[_Part]
    proofs: list[bytes]


prepare_types(CredentialHeader, UseHeader, PresentationHeader)


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
    encoding = _encoding(media_type, CREDENTIAL_JSON, CREDENTIAL_CBOR)
    return encoding.dump(_Issued(encoding.header(header), payloads, [credential.signature]))


def read_credential(data: bytes, registry: Registry) -> HeldCredential:
    """The credential in a file, without a number and not verified: see ``CredentialBook``.

    Raises MalformedInput, Refused ``unknown-schema``.
    """
    encoding, file = _read(data, _Issued)
    header = _header(encoding, file.issuer, CredentialHeader)
    schema = registry.schema(header.schema).schema
    if len(file.proofs) != 1 or len(file.proofs[0]) != 80:
        raise MalformedInput("a credential has one signature of 80 bytes")
    if len(file.payloads) != schema.message_count or file.payloads[:2] != [None, None]:
        raise MalformedInput(f"a credential of {schema.name!r} has {schema.message_count} slots")
    texts = [_text(slot) for slot in file.payloads[2:]]
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
        signature=file.proofs[0],
    )


def _header(encoding: _Encoding, data: bytes, kind: type[_H]) -> _H:
    return convert_fields(encoding.fields(data), kind, "header of a credential or presentation")


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
        pseudonym=presentation.pseudonym,
        bound=presentation.bound,
        bound_terms=presentation.bound_terms,
    )
    counts = (len(presentation.credentials), len(presentation.revealed))
    if counts != (len(requirements.slots), len(requirements.reveal)):
        raise CallerError("the presentation does not answer this request")
    encoding = _encoding(media_type, PRESENTATION_JSON, PRESENTATION_CBOR)
    shown = dict(zip(requirements.reveal, presentation.revealed, strict=True))
    parts = []
    for slot, use in zip(requirements.slots, presentation.credentials, strict=True):
        payloads: Slots = [None] * slot.schema.message_count
        for place, field in enumerate(slot.schema.fields, FIELDS):
            text = shown.get(FieldRef(slot.alias, field.name))
            payloads[place] = None if text is None else text.encode()
        parts.append(_Part(encoding.header(_use_header(presentation, use)), payloads))
    return encoding.dump(_Presented(encoding.header(header), parts, [presentation.proof]))


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


def read_presentation(
    data: bytes, requirements_of: Callable[[bytes], Requirements]
) -> Presentation:
    """The presentation in a file, to be verified; MalformedInput if a slot is out of place.

    ``requirements_of`` gives those of the request with a hash (32 bytes): which slot shows what
    is not in the file.
    """
    encoding, file = _read(data, _Presented)
    header = _header(encoding, file.presentation, PresentationHeader)
    requirements = requirements_of(bytes(header.request))
    if len(file.credentials) != len(requirements.slots) or len(file.proofs) != 1:
        raise MalformedInput("other credentials are used than asked for")
    uses, shown = [], dict[tuple[str, str], str]()
    for slot, part in zip(requirements.slots, file.credentials, strict=True):
        use = _header(encoding, part.issuer, UseHeader)
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
        revealed=[shown[ref] for ref in requirements.reveal],
        pseudonym=header.pseudonym,
        bound=header.bound,
        bound_terms=header.bound_terms,
        proof=file.proofs[0],
    )


# -- encodings -------------------------------------------------------------------------------


class _Encoding(Protocol):
    """How files and the headers inside them become bytes."""

    def header(self, header: msgspec.Struct) -> bytes:
        """Bytes of a header."""
        ...

    def fields(self, data: bytes) -> Any:
        """A header's bytes as JSON-ready data, not checked; MalformedInput."""
        ...

    def dump(self, file: msgspec.Struct) -> bytes:
        """Bytes of a file."""
        ...

    def load(self, data: bytes, kind: type[_T]) -> _T:
        """The file in these bytes; MalformedInput."""
        ...


def _encoding(media_type: str, json_type: str, cbor_type: str) -> _Encoding:
    if media_type == json_type:
        return _Json()
    if media_type == cbor_type:
        return _Cbor()
    raise CallerError(f"the media type must be {json_type} or {cbor_type}")


def _read(data: bytes, kind: type[_T]) -> tuple[_Encoding, _T]:
    """The file and its encoding, told by the content: JSON starts with a brace, CBOR never does."""
    if len(data) > MAX_BYTES:
        raise MalformedInput(f"a file has at most {MAX_BYTES} bytes")
    encoding: _Encoding = _Json() if data.lstrip()[:1] == b"{" else _Cbor()
    return encoding, encoding.load(data, kind)


def _shaped(raw: Any, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(raw, kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise MalformedInput(f"not a credential or presentation: {error}") from None


class _Json:
    def header(self, header: msgspec.Struct) -> bytes:
        return msgspec.json.encode(to_builtins(header))

    def fields(self, data: bytes) -> Any:
        return load_json(data, "a header")

    def dump(self, file: msgspec.Struct) -> bytes:
        plain = msgspec.to_builtins(file, builtin_types=(bytes,))
        return msgspec.json.encode(_mapped(plain, bytes, _base64))

    def load(self, data: bytes, kind: type[_T]) -> _T:
        raw = load_json(data, "a credential or presentation")
        try:
            return _shaped(_mapped(raw, str, _unbase64), kind)
        except RecursionError:
            raise MalformedInput("not a credential or presentation: it nests too deeply") from None


def _mapped(plain: Any, kind: type[Any], change: Callable[[Any], Any]) -> Any:
    """``plain`` with everything of one kind changed, except the names of members."""
    if isinstance(plain, dict):
        return {name: _mapped(value, kind, change) for name, value in plain.items()}
    if isinstance(plain, list):
        return [_mapped(value, kind, change) for value in plain]
    return change(plain) if isinstance(plain, kind) else plain


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    try:
        data = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = None
    if data is None or _base64(data) != text:
        raise MalformedInput("not a credential or presentation: a part is not base64url")
    return data


class _Cbor:
    def header(self, header: msgspec.Struct) -> bytes:
        import cbor2

        plain = {
            _LABELS.get(name, name): bytes.fromhex(value) if name in _BINARY else value
            for name, value in to_builtins(header).items()
        }
        return cbor2.dumps(plain, canonical=True)

    def fields(self, data: bytes) -> Any:
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

    def dump(self, file: msgspec.Struct) -> bytes:
        import cbor2

        return cbor2.dumps(_arrays(file), canonical=True)

    def load(self, data: bytes, kind: type[_T]) -> _T:
        raw = _members(_load_cbor(data), kind)
        if "credentials" in raw and isinstance(raw["credentials"], list):
            raw["credentials"] = [_members(part, _Part) for part in raw["credentials"]]
        return _shaped(raw, kind)


def _arrays(item: Any) -> Any:
    """A file without the names of its members."""
    if isinstance(item, msgspec.Struct):
        return [_arrays(getattr(item, name)) for name in item.__struct_fields__]
    return [_arrays(part) for part in item] if isinstance(item, list) else item


def _members(raw: Any, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """An array as an object, one member for each field of ``kind``."""
    names = kind.__struct_fields__
    if not isinstance(raw, list) or len(raw) != len(names):
        raise MalformedInput(f"not a credential or presentation: an array of {len(names)} is due")
    return dict(zip(names, raw, strict=True))


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
