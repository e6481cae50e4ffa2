"""The holder's credentials: asking, receiving, keeping the proof of not being revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zkcredit.credentials.held import CREDENTIAL_JSON, Gap, HeldCredential, Slot
from zkcredit.credentials.messages import CredentialReply, CredentialRequest
from zkcredit.credentials.requests import prove_request, request_commitment
from zkcredit.credentials.revocation import RevocationList
from zkcredit.errors import CallerError, CheckFailed, MalformedInput, Refused, StateConflict

if TYPE_CHECKING:
    from zkcredit.keys import WalletKeys
    from zkcredit.ledger import LedgerView
    from zkcredit.ledger.registry import CredentialKey

MAX_ORDINALS = 256
"""Most credentials of one wallet under one key: :meth:`CredentialBook.receive` tries them all."""


class GapReport(msgspec.Struct, frozen=True, kw_only=True):
    """What :meth:`CredentialBook.refresh_gaps` found, as numbers of credentials.

    ``current`` can be shown now, ``revoked`` never again, for ``missing`` the ledger lacks
    the list (try again later), ``faulty`` says why a list is wrong: the issuer's fault.
    """

    current: list[int]
    revoked: list[int]
    missing: list[int]
    faulty: dict[int, str]


class CredentialBook:
    """Credentials of the holder of ``keys``; ``held`` is the list that the vault keeps."""

    def __init__(self, held: list[HeldCredential], keys: WalletKeys) -> None:
        self._held = held
        self._keys = keys

    def __len__(self) -> int:
        return len(self._held)

    def list(self) -> list[HeldCredential]:
        """All credentials by number."""
        return list(self._held)

    def get(self, number: int) -> HeldCredential:
        """One credential; CallerError if there is none with this number."""
        return self._held[self._place(number)]

    def remove(self, number: int) -> None:
        """Forgets a credential; the same request brings it back from its issuer."""
        del self._held[self._place(number)]

    def _place(self, number: int) -> int:
        for place, credential in enumerate(self._held):
            if credential.number == number:
                return place
        raise CallerError(f"this wallet has no credential {number}")

    # -- asking, receiving -----------------------------------------------------------------

    def request(
        self, ledger: LedgerView, issuer_id: bytes, schema_hash: bytes, ordinal: int | None = None
    ) -> CredentialRequest:
        """Asks an issuer for a credential under its current key for this schema.

        C′ depends on ``ordinal`` alone (default: the first that no credential here has),
        so the call may be repeated, and after a restore the same ordinals bring the same
        credentials back. Refused ``unknown-schema``, ``unknown-credential-key``,
        ``key-closed``.
        """
        registry = ledger.registry
        registry.schema(schema_hash)
        number = registry.current_credential_key(issuer_id, schema_hash)
        _open_key(ledger, issuer_id, schema_hash, number)
        if ordinal is None:
            place = issuer_id, schema_hash, number
            used = {item.ordinal for item in self._held if item.slot[:3] == place}
            ordinal = next(n for n in range(len(used) + 1) if n not in used)
        if not 0 <= ordinal < MAX_ORDINALS:
            raise CallerError(f"a wallet holds at most {MAX_ORDINALS} credentials under one key")
        slot = Slot(issuer_id, schema_hash, number, ordinal)
        return prove_request(self._keys, ledger.ledger_id, slot)

    def receive(self, ledger: LedgerView, reply: CredentialReply) -> HeldCredential:
        """Takes a credential in, after verifying the signature on exactly its content.

        The same reply again changes nothing. Refused ``wrong-ledger``,
        ``unknown-credential-key``, ``key-closed``, ``not-requested``; ProofRefused if the
        issuer has not signed this content for this wallet; StateConflict if the request
        was answered before with other content.
        """
        schema = ledger.registry.schema(reply.schema_hash).schema
        if len(reply.values) != len(schema.fields):
            raise MalformedInput(f"{schema.name} has {len(schema.fields)} fields")
        credential = HeldCredential(
            number=0,
            ledger_id=bytes(reply.ledger_id),
            issuer_id=bytes(reply.issuer_id),
            encoded_schema=schema.encode(),
            key_number=reply.key_number,
            ordinal=self._ordinal(reply),
            handle=reply.handle,
            expires=reply.expires,
            texts=list(reply.values),
            signature=bytes(reply.signature),
        )
        return self._add(ledger, credential)

    def _ordinal(self, reply: CredentialReply) -> int:
        """Which of the wallet's requests the reply answers."""
        for ordinal in range(MAX_ORDINALS):
            slot = Slot(reply.issuer_id, reply.schema_hash, reply.key_number, ordinal)
            if request_commitment(self._keys, slot) == reply.commitment:
                return ordinal
        raise Refused("not-requested", "this wallet has not asked for this credential")

    def _add(self, ledger: LedgerView, credential: HeldCredential) -> HeldCredential:
        """Verifies a credential and keeps it under the next number."""
        if credential.ledger_id != ledger.ledger_id:
            raise Refused("wrong-ledger", "the credential is for another ledger")
        key = _open_key(ledger, *credential.slot[:3])
        _check_texts(credential)
        self._verify(key, credential)
        for known in self._held:
            if known.slot == credential.slot:
                if known.signature != credential.signature:
                    raise StateConflict(
                        f"the issuer has signed something else for this request: "
                        f"compare with credential {known.number}"
                    )
                return known
        number = 1 + max((item.number for item in self._held), default=0)
        self._held.append(msgspec.structs.replace(credential, number=number))
        return self._held[-1]

    def export(self, number: int, media_type: str = CREDENTIAL_JSON) -> bytes:
        """A credential as a file (see :mod:`zkcredit.credentials.exchange`).

        It shows the values in the clear, and opens in this wallet only.
        """
        from zkcredit.credentials.exchange import write_credential

        return write_credential(self.get(number), media_type)

    def import_file(self, ledger: LedgerView, data: bytes) -> HeldCredential:
        """Takes an exported credential of this wallet in again; refuses as :meth:`receive`."""
        from zkcredit.credentials.exchange import read_credential

        return self._add(ledger, read_credential(data, ledger.registry))

    def _verify(self, key: CredentialKey, credential: HeldCredential) -> None:
        from zkcredit._native import verify_messages

        messages = credential.messages(self._keys)
        verify_messages(key.bbs_key, credential.header, messages, credential.signature)

    # -- not revoked -----------------------------------------------------------------------

    def refresh_gaps(self, ledger: LedgerView) -> GapReport:
        """Fetches the current lists and finds each credential's gap in them.

        Whole lists are fetched, so nobody learns whose credential it is for.
        """
        report = GapReport(current=[], revoked=[], missing=[], faulty={})
        for place, credential in enumerate(self._held):
            if credential.ledger_id != ledger.ledger_id or not credential.schema.revocable:
                continue
            try:
                updated = self._with_gap(ledger, credential)
            except (CheckFailed, MalformedInput, Refused) as error:
                report.faulty[credential.number] = str(error)
                continue
            if updated is None:
                report.missing.append(credential.number)
                continue
            self._held[place] = updated
            found = report.revoked if updated.revoked else report.current
            found.append(updated.number)
        return report

    def _with_gap(self, ledger: LedgerView, credential: HeldCredential) -> HeldCredential | None:
        """The credential with the gap of the current epoch, None without a list."""
        key = ledger.registry.credential_key(
            credential.issuer_id, credential.schema_hash, credential.key_number
        )
        if credential.revoked or (credential.gap and credential.gap.epoch == key.epoch):
            return credential
        data = ledger.attachment(key.list_hash) if key.epoch else None
        if data is None:
            return None
        gap = _read_gap(key, credential, data)
        return msgspec.structs.replace(credential, gap=gap, revoked=gap is None)


def _check_texts(credential: HeldCredential) -> None:
    """MalformedInput unless every value is written as :meth:`Field.format` writes it."""
    for item, text in zip(credential.schema.fields, credential.texts, strict=True):
        if item.format(item.parse(text)) != text:
            raise MalformedInput(f"{item.name} is not in its canonical form")


def _open_key(
    ledger: LedgerView, issuer_id: bytes, schema_hash: bytes, number: int
) -> CredentialKey:
    key = ledger.registry.credential_key(issuer_id, schema_hash, number)
    if key.closed:
        raise Refused("key-closed", f"the issuer has closed key {key.number}")
    return key


def _read_gap(key: CredentialKey, credential: HeldCredential, data: bytes) -> Gap | None:
    """The verified gap around a credential's handle; None if the handle is revoked.

    Raises CheckFailed for a list that is not the one on the ledger or of another key,
    MalformedInput, ProofRefused.
    """
    from zkcredit._native import blake3_hash, verify_messages

    if blake3_hash(data) != key.list_hash:
        raise CheckFailed("the revocation list is not the one that the ledger names")
    found = RevocationList.decode(data)
    place = (found.ledger_id, found.issuer_id, found.schema_hash, found.key_number, found.epoch)
    if place != (credential.ledger_id, *credential.slot[:3], key.epoch):
        raise CheckFailed("the revocation list is of another key or epoch")
    gap = found.gap(credential.handle)
    if gap is not None:
        verify_messages(key.bbs_key, found.header, [gap.lo, gap.hi], gap.signature)
    return gap
