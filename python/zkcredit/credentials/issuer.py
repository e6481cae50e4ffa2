"""An issuer of credentials: a registrar, an employer, a lender.

It keeps one database and one root seed. It signs only what it has verified itself and
fixed in its own table first; every call may be repeated. A lender issues credentials
about its customers with a :class:`CredentialIssuer` on the lender's own seed and name:
on the ledger the two are one issuer.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from zkcredit import digests
from zkcredit.clock import system_clock
from zkcredit.codec import text_problem
from zkcredit.credentials.held import EXPIRES, FIELDS, HANDLE, HANDLE_MAX, field_messages
from zkcredit.credentials.lists import ListPlace, SignedList
from zkcredit.credentials.messages import CredentialReply, CredentialRequest
from zkcredit.credentials.requests import verify_request
from zkcredit.credentials.revocation import RevocationList
from zkcredit.credentials.schema import Schema, Value
from zkcredit.credentials.store import Issued, IssuerStore
from zkcredit.entries import (
    CredentialKeyStatement,
    KeyAction,
    RevocationStatement,
    SchemaStatement,
)
from zkcredit.errors import CallerError, Refused, StateConflict
from zkcredit.issuing import Issuer, IssuerDesk
from zkcredit.keys import IssuerKeys

if TYPE_CHECKING:
    from zkcredit._native import IssuerKey, Seed
    from zkcredit.ledger import LedgerView, Receipt

_NO_TWEAK = bytes(32)
_DAY_MS = 86_400_000


class CredentialIssuer(Issuer):
    """An issuer on one ledger. ``clock`` gives Unix time in milliseconds."""

    _STORE = IssuerStore

    def __init__(
        self, store: IssuerStore, seed: Seed, clock: Callable[[], int] | None = None
    ) -> None:
        self._store: IssuerStore = store
        self._desk: IssuerDesk[IssuerStore, IssuerKeys] = IssuerDesk(
            store, IssuerKeys(seed), clock or system_clock
        )

    # -- registration ----------------------------------------------------------------------

    def register(self, ledger: LedgerView) -> Receipt:
        """Registers name and key on a ledger, once; an issuer belongs to one ledger.

        If a lender of the same seed and name is registered already, nothing is added.
        """
        return self._desk.register(ledger)

    def publish_schema(self, ledger: LedgerView, schema: Schema) -> bytes:
        """Publishes a schema unless somebody has done so; returns its hash (32 bytes)."""
        issuer_id = self._desk.on(ledger)
        if schema.hash not in ledger.registry.schemas:
            self._desk.submit(ledger, SchemaStatement(issuer_id, schema.encode()))
        return schema.hash

    def open_key(self, ledger: LedgerView, schema_hash: bytes) -> int:
        """Opens the next key for credentials of a published schema; returns its number.

        New credentials are signed under the newest key; older ones stay valid under
        theirs until it is closed. For revocable credentials the first, empty list is
        published too: without a list nobody could show that nothing was revoked.
        """
        issuer_id = self._desk.on(ledger)
        schema = ledger.registry.schema(schema_hash).schema
        number = ledger.registry.current_credential_key(issuer_id, schema_hash) + 1
        public_key = self._desk.keys.credential_key(schema_hash, number).public_key
        statement = CredentialKeyStatement(
            issuer_id, schema_hash, number, KeyAction.OPEN, public_key
        )
        self._desk.submit(ledger, statement)
        if schema.revocable and not schema.is_list:
            self.publish_revocations(ledger, schema_hash)
        return number

    def close_key(self, ledger: LedgerView, schema_hash: bytes, number: int) -> Receipt:
        """Closes a key: from now on no credential under it is accepted anywhere."""
        issuer_id = self._desk.on(ledger)
        statement = CredentialKeyStatement(issuer_id, schema_hash, number, KeyAction.CLOSE)
        return self._desk.submit(ledger, statement)

    # -- issuing ---------------------------------------------------------------------------

    def issue(
        self,
        ledger: LedgerView,
        request: CredentialRequest,
        values: Mapping[str, Value],
        expires: dt.date,
    ) -> CredentialReply:
        """Answers a request with a credential on exactly these values.

        ``expires`` is the last valid day (UTC). The same request and content give the
        same reply, even after the key was succeeded by another; other content for an
        answered request is a StateConflict. Raises CallerError for values that do not
        fit the schema, Refused ``wrong-ledger``, ``wrong-issuer``, ``unknown-schema``,
        ``key-not-current``, and ProofRefused.
        """
        issuer_id = self._desk.on(ledger)
        if request.ledger_id != ledger.ledger_id:
            raise Refused("wrong-ledger", "the request is for another ledger")
        if request.issuer_id != issuer_id:
            raise Refused("wrong-issuer", "the request is for another issuer")
        schema = ledger.registry.schema(request.schema_hash).schema
        if schema.is_list:
            raise CallerError(f"{schema.name!r} is a list: its items are published, not issued")
        wrong = set(values) ^ {item.name for item in schema.fields}
        if wrong:
            names = ", ".join(sorted(wrong))
            raise CallerError(f"{schema.name!r}: missing fields, or unknown ones: {names}")
        texts = [item.format(values[item.name]) for item in schema.fields]
        with self._store.write():
            row = self._store.answer(schema.hash, request.key_number, request.commitment)
            if row is None:
                row = self._sign(ledger, schema, request, values, expires)
                self._store.add(row)
            elif (row.texts, row.expires) != (texts, expires):
                raise StateConflict(
                    f"this request was answered with other content (handle {row.handle}): "
                    "ask the holder for a new request"
                )
        return _reply(request, row)

    def _sign(
        self,
        ledger: LedgerView,
        schema: Schema,
        request: CredentialRequest,
        values: Mapping[str, Value],
        expires: dt.date,
    ) -> Issued:
        now_ms = self._desk.clock()
        if isinstance(expires, dt.datetime):
            raise CallerError("the last valid day must be a date")
        if expires.toordinal() < dt.date(1970, 1, 1).toordinal() + now_ms // _DAY_MS:
            raise CallerError(f"the credential would have expired already on {expires}")
        current = ledger.registry.current_credential_key(self.issuer_id, schema.hash)
        if request.key_number != current:
            raise Refused(
                "key-not-current",
                f"the request is for key {request.key_number}, the current one is {current}: "
                "ask again",
            )
        key = self._key(ledger, schema.hash, current)
        if ledger.registry.credential_key(self.issuer_id, schema.hash, current).closed:
            raise Refused("key-closed", f"key {current} is closed: open a new one")
        verify_request(request)
        handle = self._new_handle(schema.hash)
        messages = field_messages(schema, values)
        added = [(HANDLE, handle), (EXPIRES, expires.toordinal()), *enumerate(messages, FIELDS)]
        header = digests.credential_header(
            ledger.ledger_id, self.issuer_id, schema.hash, request.key_number
        )
        item = (header, schema.message_count, request.commitment, _NO_TWEAK, added)
        signature = key.sign_commitments([item])[0][1]
        texts = [item.format(values[item.name]) for item in schema.fields]
        return Issued(
            schema_hash=schema.hash,
            key_number=current,
            commitment=request.commitment,
            handle=handle,
            expires=expires,
            texts=texts,
            signature=signature,
            issued_ms=now_ms,
        )

    def _new_handle(self, schema_hash: bytes) -> int:
        """A random number that no credential of this schema has.

        Random, because lists of revoked handles are public: numbers in order of issue
        would tell when a revoked credential was issued.
        """
        while True:
            handle = 1 + secrets.randbelow(HANDLE_MAX)
            if self._store.by_handle(schema_hash, handle) is None:
                return handle

    def _key(self, ledger: LedgerView, schema_hash: bytes, number: int) -> IssuerKey:
        key = self._desk.keys.credential_key(schema_hash, number)
        published = ledger.registry.credential_key(self.issuer_id, schema_hash, number)
        if key.public_key != published.bbs_key:
            raise StateConflict(f"key {number} was opened with a key of another seed")
        return key

    def issued(self) -> list[Issued]:
        """All credentials issued so far, oldest first."""
        return self._store.issued()

    # -- revocation ------------------------------------------------------------------------

    def revoke(self, schema_hash: bytes, handle: int, reason: str) -> bool:
        """Marks a credential as revoked; False if it was already.

        It takes effect with :meth:`publish_revocations`. ``reason`` (1..64 bytes) stays here.
        Raises CallerError if no credential of this schema has this handle.
        """
        if (problem := text_problem(reason)) is not None:
            raise CallerError(f"reason: {problem}")
        with self._store.write():
            row = self._store.by_handle(schema_hash, handle)
            if row is None:
                raise CallerError(f"no credential of this schema has the handle {handle}")
            if row.revoked_ms is not None:
                return False
            self._store.revoke(schema_hash, handle, reason, self._desk.clock())
        return True

    def publish_revocations(self, ledger: LedgerView, schema_hash: bytes) -> dict[int, int]:
        """Publishes a new list for each open key of a schema that needs one.

        A key needs one if it has none or if a credential under it was revoked since.
        Returns the current epoch of every open key by its number. An interrupted call
        is completed by the next. StateConflict if the ledger has a newer list than this
        database knows: an old copy would lift revocations.
        """
        issuer_id = self._desk.on(ledger)
        if ledger.registry.schema(schema_hash).schema.is_list:
            raise CallerError("this is a list: publish its next version instead")
        keys = ledger.registry.credential_keys_of(issuer_id).get(schema_hash, ())
        epochs: dict[int, int] = {}
        for key in keys:
            if key.closed:
                continue
            last = self._store.last_epoch(schema_hash, key.number)
            if key.epoch > last:
                raise StateConflict(
                    f"the ledger has epoch {key.epoch} of key {key.number}, this database "
                    f"{last}: it is an old copy"
                )
            if last:
                self._publish(ledger, schema_hash, key.number, last)
            if last == 0 or self._store.has_news(schema_hash, key.number):
                last += 1
                with self._store.write():
                    self._store.fix_epoch(schema_hash, key.number, last)
                self._publish(ledger, schema_hash, key.number, last)
            epochs[key.number] = last
        return epochs

    def _publish(self, ledger: LedgerView, schema_hash: bytes, number: int, epoch: int) -> None:
        """Signs the list of a fixed epoch and submits entry and list, unless both are there."""
        published = ledger.registry.credential_key(self.issuer_id, schema_hash, number)
        if published.epoch == epoch and ledger.attachment(published.list_hash) is not None:
            return
        from zkcredit._native import blake3_hash

        signed = RevocationList.sign(
            self._key(ledger, schema_hash, number),
            (ledger.ledger_id, self.issuer_id, schema_hash, number),
            epoch,
            self._store.revoked(schema_hash, number, epoch),
        )
        data = signed.encode()
        self._desk.submit(
            ledger,
            RevocationStatement(self.issuer_id, schema_hash, number, epoch, blake3_hash(data)),
        )
        ledger.attach(data)

    # -- lists -----------------------------------------------------------------------------

    def publish_list(
        self, ledger: LedgerView, schema_hash: bytes, items: Iterable[Value], *, gaps: bool
    ) -> int:
        """Publishes the next version of a signed list; returns its number, from 1.

        Everybody proves against the newest version. With ``gaps`` holders prove that they are
        not on it, else that they are. The same items again change nothing, except that a
        file that an interrupted call left out is attached. CallerError for a schema that is
        no list or another issuer's, and for items that do not fit it or are too many;
        Refused ``unknown-credential-key``, ``key-closed``.
        """
        from zkcredit._native import blake3_hash

        issuer_id = self._desk.on(ledger)
        found = ledger.registry.schema(schema_hash)
        schema = found.schema
        if found.issuer_id != issuer_id:
            raise CallerError(f"another issuer has published {schema.name!r}: the list is theirs")
        if not schema.is_list:
            raise CallerError(f"{schema.name!r} is no list: it needs one field, 'item', revocable")
        scalars = tuple(sorted({schema.fields[0].scalar(item) for item in items}))
        number = ledger.registry.current_credential_key(issuer_id, schema_hash)
        key = self._key(ledger, schema_hash, number)
        current = ledger.registry.credential_key(issuer_id, schema_hash, number)
        if current.closed:
            raise Refused("key-closed", f"key {number} is closed: open a new one")
        version = current.epoch
        known = ledger.attachment(current.list_hash) if version else None
        if known is not None:
            published = SignedList.decode(known)
            if (published.items, published.gaps) == (scalars, gaps):
                return version

        def signed(version: int) -> bytes:
            place = ListPlace(ledger.ledger_id, issuer_id, schema_hash, number, version)
            return SignedList.sign(key, place, schema.fields[0].type, scalars, gaps=gaps).encode()

        if version and known is None and blake3_hash(data := signed(version)) == current.list_hash:
            ledger.attach(data)
            return version
        data = signed(version + 1)
        place = issuer_id, schema_hash, number, version + 1
        self._desk.submit(ledger, RevocationStatement(*place, blake3_hash(data)))
        ledger.attach(data)
        return version + 1


def _reply(request: CredentialRequest, row: Issued) -> CredentialReply:
    return CredentialReply(
        ledger_id=request.ledger_id,
        issuer_id=request.issuer_id,
        schema_hash=request.schema_hash,
        key_number=request.key_number,
        commitment=request.commitment,
        handle=row.handle,
        expires=row.expires,
        values=row.texts,
        signature=row.signature,
    )
