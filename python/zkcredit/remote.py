"""A ledger behind a URL, used like one in a folder.

:class:`RemoteLedger` follows the published log: it reads every entry with its evidence once,
verifies signatures, proofs and rules by itself, and keeps what it has verified in a database
of its own (a :class:`~zkcredit.cosigner.mirror.Mirror`). A *light* one takes proofs of
steps of lines at the operator's word and needs a tenth of the bytes. All lookups happen
there, so the operator never learns which nullifier, payee or opening a wallet looks for.
What is trusted is the genesis (pinned by the profile, or by ``#`` and the ledger's id at
the end of the URL) and the operator's promise not to show others another log; a log that
shrinks, forks or holds other entries than those signed is refused, and a receipt is
believed once the entry is on the log.

What the operator says about replies that are missing is taken at its word; replies
themselves are checked by whoever reads them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zkcredit import digests
from zkcredit.cosigner.mirror import Mirror
from zkcredit.cosigner.store import CosignerStore
from zkcredit.entries import Entry, Kind, Submission
from zkcredit.errors import (
    CallerError,
    CheckFailed,
    MalformedInput,
    StateConflict,
    StoreError,
    ZkCreditError,
)
from zkcredit.ledger import OwedReply, Receipt, folder, log
from zkcredit.ledger.genesis import Genesis
from zkcredit.ledger.note import Checkpoint
from zkcredit.ledger.registry import Registry
from zkcredit.ledger.replay import Record
from zkcredit.ledger.static import StaticSource, bundle_path, decode_bundle, decode_entries
from zkcredit.service import wire
from zkcredit.service.client import Client

if TYPE_CHECKING:
    from zkcredit.service.signatures import RequestSigner

_POLL_S = 0.5
"""The checkpoint is asked for at most so often while nothing was submitted."""
_PATIENCE_S = 10.0
"""How long an accepted entry may take to show up on the log."""


def split_url(place: str) -> tuple[str, bytes | None]:
    """Address of a service, and the ledger's id if the URL ends with ``#`` and it.

    CallerError unless it is https, or http to this machine.
    """
    parts = urlsplit(place)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise CallerError(f"{place}: a ledger's address begins with https:// (http only locally)")
    pinned = None
    if parts.fragment:
        try:
            pinned = bytes.fromhex(parts.fragment)
        except ValueError:
            pinned = b""
        if len(pinned) != 32:
            raise CallerError(f"{place}: after # stands the ledger's id, 64 hexadecimal digits")
    return place.partition("#")[0].rstrip("/"), pinned


class _Source(StaticSource):
    """The published files, read through the client's connections.

    For following, replies are left out, and with ``light`` also evidence of bundles in
    which nobody registers anything.
    """

    def __init__(self, client: Client, *, follow: bool = False, light: bool = False) -> None:
        self._client = client
        self._follow = follow
        self._light = light
        self._registers = True
        super().__init__(client.url)

    def _get(self, name: str) -> bytes | None:
        if self._follow and name.startswith("reply/"):
            return None
        if not self._registers and name.startswith("evidence/"):
            return None
        data = self._client.file(name)
        if self._light and data is not None and name.startswith("tile/entries/"):
            self._registers = any(map(_is_registration, decode_entries(data)))
        return data


def _is_registration(encoded: bytes) -> bool:
    try:
        return Entry.decode(encoded).statement.KIND.is_registration
    except MalformedInput:
        return False


class RemoteLedger(Mirror):
    """Implements :class:`zkcredit.ledger.LedgerView` over HTTP. One thread uses an instance.

    Besides the errors that the ledger answers with, everything may raise StoreError (the
    service cannot be reached) and CheckFailed (what it shows does not hold together).
    """

    def __init__(
        self, store: CosignerStore, genesis: Genesis, client: Client, *, light: bool = False
    ) -> None:
        super().__init__(store, genesis, believe=light)
        self._client = client
        self._note = ""
        self._polled = -_POLL_S
        self._following = False
        self._sign_submissions = False
        self._bundles: dict[int, tuple[str, bytes]] = {}

    @classmethod
    def open(
        cls,
        place: str,
        cache: Path | None = None,
        *,
        ledger_id: bytes | None = None,
        light: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> RemoteLedger:
        """The ledger at a URL; ``cache`` is the database of what was verified (None: memory).

        With ``light``, proofs are taken at the operator's word; keep another cache for it.
        CheckFailed ``other-ledger`` if it is not the ledger that ``ledger_id``, the URL or
        the database names.
        """
        url, pinned = split_url(place)
        client = Client(url)
        try:
            genesis = Genesis.decode(client.need("genesis"))
            if any(one not in (None, genesis.ledger_id) for one in (pinned, ledger_id)):
                raise CheckFailed(f"{url} is another ledger than expected", check="other-ledger")
            ledger = cls(_store(cache, genesis), genesis, client, light=light)
        except BaseException:
            client.close()
            raise
        try:
            ledger.sync(progress)
        except BaseException:
            ledger.close()
            raise
        return ledger

    def close(self) -> None:
        """Closes connections and database."""
        self._client.close()
        super().close()

    def sign_as(self, signer: Callable[[], RequestSigner], *, submissions: bool = False) -> None:
        """Names the party in whose name replies and attachments are sent from now on.

        With ``submissions`` also those are signed: then the operator learns whose they are.
        """
        self._client.sign_as(signer, self._ledger_id)
        self._sign_submissions = submissions

    # --- following ---------------------------------------------------------------

    def sync(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Verifies and takes in what is new on the log."""
        self._following = True
        try:
            source = _Source(self._client, follow=True, light=self._believe)
            if source.genesis != self._genesis:
                raise CheckFailed("the service shows another ledger", check="other-ledger")
            note = source.published_checkpoint
            self.follow(source, Checkpoint.open(note, *self._genesis.log_keys), progress)
            self._note = note
        finally:
            self._following = False
            self._polled = time.monotonic()

    def _refresh(self) -> None:
        if not self._following and time.monotonic() - self._polled > _POLL_S:
            self.sync()

    def _await(self, index: int) -> None:
        """Follows until entry ``index`` is on the log."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            self.sync()
            if super().size > index:
                return
            if time.monotonic() > deadline:
                raise StoreError(f"accepted as entry {index}, but not on the log yet: try again")
            time.sleep(0.1)

    @property
    def size(self) -> int:
        """Number of entries."""
        self._refresh()
        return super().size

    @property
    def registry(self) -> Registry:
        """Who is registered and what issuers have published, as of now."""
        self._refresh()
        return super().registry

    @property
    def published_checkpoint(self) -> str:
        """The checkpoint up to which everything was verified."""
        return self._note

    def checkpoint(self) -> str:
        """The same, of the log as it is now."""
        self.sync()
        return self._note

    def cosigned_checkpoints(self) -> list[str]:
        """What the service offers as cosigned, and the checkpoint that was followed to."""
        data = self._client.file(folder.COSIGNED)
        self.sync()  # afterwards, as that one is of entries which may be new
        return [text for text in ((data or b"").decode(errors="replace"), self._note) if text]

    # --- submitting --------------------------------------------------------------

    def submit(self, submission: Submission) -> Receipt:
        """Accepts one submission or raises Refused, MalformedInput or StoreError."""
        body = self._client.post(
            "/v1/entries",
            submission.encode(),
            wire.SUBMISSION,
            wire.Accepted,
            signed=self._sign_submissions,
        )
        receipt = body.receipt()
        self._check_receipts([(submission, receipt)])
        return receipt

    def submit_many(self, submissions: Sequence[Submission]) -> list[Receipt | ZkCreditError]:
        """Accepts a batch; each gets its own receipt or the error that refused it."""
        from zkcredit.service.problems import error_of

        results: list[Receipt | ZkCreditError] = []
        for start in range(0, len(submissions), wire.BATCH_MAX):
            part = submissions[start : start + wire.BATCH_MAX]
            body = self._client.post(
                "/v1/batches",
                wire.encode_batch(part),
                wire.BATCH,
                wire.BatchResults,
                signed=self._sign_submissions,
            )
            if len(body.results) != len(part):
                raise MalformedInput("the service does not answer each submission")
            for one in body.results:
                if one.accepted is not None:
                    results.append(one.accepted.receipt())
                elif one.problem is not None:
                    results.append(error_of(one.problem))
                else:
                    raise MalformedInput("the service does not answer each submission")
        pairs = zip(submissions, results, strict=True)
        self._check_receipts([(s, r) for s, r in pairs if isinstance(r, Receipt)])
        return results

    def _check_receipts(self, accepted: Sequence[tuple[Submission, Receipt]]) -> None:
        """CheckFailed unless every receipt names the entry that holds the statement.

        ``receipt`` if another one does, ``void`` if that entry counts for nothing.
        """
        if not accepted:
            return
        last = max(receipt.index for _, receipt in accepted)
        if super().size <= last:
            self._await(last)
        for submission, receipt in accepted:
            statement = submission.statement.encode()
            entry = super().entry(receipt.index)
            if (
                entry.statement.encode() != statement
                or entry.timestamp_ms != receipt.timestamp_ms
                or digests.statement_hash(statement) != receipt.statement_hash
            ):
                raise CheckFailed(
                    f"the receipt names entry {receipt.index}, which holds something else",
                    check="receipt",
                )

    # --- beside the log ----------------------------------------------------------

    def evidence(self, index: int) -> tuple[bytes, bytes]:
        """Evidence and memo of the entry at ``index``, as the entry names them."""
        return self.evidence_of([index])[0]

    def evidence_of(self, indexes: Sequence[int]) -> list[tuple[bytes, bytes]]:
        """Evidence and memo of each of these entries; a bundle of 256 is asked for once."""
        bundles: dict[int, set[int]] = {}
        for index in indexes:
            bundles.setdefault(index // log.TILE_WIDTH, set()).add(index)
        source = _Source(self._client)
        found: dict[int, tuple[bytes, bytes]] = {}
        for wanted in bundles.values():
            for index, encoded, evidence, memo, _ in source.records(min(wanted), max(wanted) + 1):
                if index not in wanted or evidence is None or memo is None:
                    continue
                named = Entry.decode(encoded).evidence_hash
                if encoded == self._store.entry(index) and named == digests.evidence_hash(
                    evidence, memo
                ):
                    found[index] = evidence, memo
        missing = [index for index in indexes if index not in found]
        if missing:
            raise CallerError(f"the service has no evidence of an entry {missing[0]}")
        return [found[index] for index in indexes]

    def records(self, start: int, stop: int) -> Iterator[Record]:
        """(index, encoded entry, evidence, memo, reply), read from the service anew."""
        return _Source(self._client).records(start, stop)

    def reply(self, index: int) -> bytes | None:
        """The issuer's reply to the entry at ``index``, None while it is owed."""
        return dict(self.replies(index, index + 1)).get(index)

    def replies(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, bytes]]:
        """All replies to entries ``start`` to before ``stop``, asked for in bundles of 256."""
        end = self.size if stop is None else min(stop, self.size)
        for number in range(start // log.TILE_WIDTH, -(-end // log.TILE_WIDTH)):
            first = number * log.TILE_WIDTH
            for position, reply in enumerate(self._reply_bundle(number)):
                if reply and start <= first + position < end:
                    yield first + position, reply

    def _reply_bundle(self, number: int) -> list[bytes]:
        tag, known = self._bundles.get(number, ("", b""))
        found = self._client.changed(bundle_path("reply", number), tag)
        if found is not None:
            tag, known = self._bundles[number] = found
        return decode_bundle(known)

    def post_replies(self, replies: Sequence[tuple[int, bytes]]) -> None:
        """Stores replies of the party named by :meth:`sign_as`."""
        for start in range(0, len(replies), wire.BATCH_MAX):
            part = wire.encode_replies(replies[start : start + wire.BATCH_MAX])
            self._client.post("/v1/replies", part, wire.REPLIES, wire.Stored, signed=True)

    def unanswered(self, issuer_id: bytes, limit: int = 1024) -> list[int]:
        """Entries that await this issuer's reply, as the service says; oldest first."""
        path = f"/v1/issuers/{issuer_id.hex()}/unanswered"
        asked = {"limit": min(limit, 1024)}
        return self._client.get(path, wire.Unanswered, asked).indexes

    def owed(self, now_ms: int) -> list[OwedReply]:
        """Replies that are overdue at ``now_ms``, as the service says."""
        found = self._client.get("/v1/overdue", wire.OverdueReplies, {"now_ms": now_ms})
        return [
            OwedReply(one.index, bytes.fromhex(one.issuer), Kind[one.kind.upper()], one.due_ms)
            for one in found.overdue
        ]

    def attach(self, data: bytes) -> bytes:
        """Stores a file that an entry names, for the party named by :meth:`sign_as`."""
        body = self._client.post("/v1/attachments", data, wire.BINARY, wire.Attached, signed=True)
        return bytes.fromhex(body.digest)

    def attachment(self, digest: bytes) -> bytes | None:
        """The file of this BLAKE3 hash, None if it is not there; MalformedInput if damaged."""
        from zkcredit.hashing import blake3

        data = self._client.file(f"attachments/{digest.hex()}")
        if data is not None and blake3(data) != digest:
            raise MalformedInput(f"the service's file {digest.hex()} is not the one of this name")
        return data


def _store(cache: Path | None, genesis: Genesis) -> CosignerStore:
    if cache is None or not cache.exists():
        return CosignerStore.create(cache, genesis.encode())
    store = CosignerStore.open(cache)
    if store.genesis() != genesis.encode():
        store.close()
        raise StateConflict(f"{cache} holds another ledger: use another --profile")
    return store


def is_url(place: Any) -> bool:
    """Whether a ledger is named by its address."""
    return isinstance(place, str) and "://" in place
