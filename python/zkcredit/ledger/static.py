"""The log as static files that any web server can hand out (C2SP tlog-tiles).

``checkpoint`` and ``tile/…`` are the standard's. Beside them lie what the standard
knows nothing of: ``evidence/…`` and ``reply/…``, bundles of 256 entries in the same
numbering, with what proves the entries and what the issuers answered, and
``attachments/…``. Every file is written under another name, synced and renamed; full
tiles and bundles of the log never change, and other content in their place is a
StateConflict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import IO, TYPE_CHECKING

from zkcredit.codec import Reader, Writer
from zkcredit.errors import CheckFailed, MalformedInput, StateConflict, StoreError
from zkcredit.ledger import folder, log
from zkcredit.ledger.genesis import Genesis
from zkcredit.ledger.limits import PART_BYTES, file_limit, read_parts
from zkcredit.ledger.note import Checkpoint, Note

if TYPE_CHECKING:
    from zkcredit.ledger.operator import Operator
    from zkcredit.ledger.replay import Record

_TIMEOUT_S = 30


class StaticLog:
    """Publishes one ledger into one folder; :meth:`publish` may be called as often as wanted."""

    def __init__(self, ledger: Operator, path: str | Path) -> None:
        self._ledger = ledger
        self._path = Path(path)
        self._answered: int | None = None
        self._waiting: set[int] = set()
        self._attached: set[bytes] = set()

    def publish(self) -> Checkpoint:
        """Signs the log as it is, writes what is new, and the checkpoint last.

        Raises StateConflict if the folder holds another log or a newer state of
        this one (the ledger's file was rolled back), StoreError.
        """
        folder.make(self._path)
        with folder.locked(self._path):  # a slower publisher would undo what a faster one did
            return self._publish()

    def _publish(self) -> Checkpoint:
        self._add(folder.GENESIS, self._ledger.genesis.encode())
        before = self._published()
        text = self._ledger.checkpoint()
        head = Checkpoint.parse(Note.decode(text).text)
        if before is not None:
            self._check_continues(before)
        start = 0 if before is None else before.size
        self._write_tiles(start, head.size)
        self._write_bundles(start, head.size)
        self.publish_replies(head.size)
        for digest in sorted(self._ledger.registry.attachments - self._attached):
            attached = self._ledger.attachment(digest)
            if attached is not None:
                self._add(_attachment_path(digest), attached)
                self._attached.add(digest)
        if head != before:  # else cosignatures may have been collected since
            self._replace(folder.CHECKPOINT, text.encode())
        self._remove_partials(start, head.size)
        return head

    def publish_replies(self, size: int) -> None:
        """Rewrites reply bundles in which an answer has arrived since.

        The first call looks at all bundles, later ones where an answer was missing.
        """
        waiting = self._ledger.unanswered_bundles()
        numbers = self._waiting | {number for number, _, _ in _spans(self._answered or 0, size)}
        self._answered, self._waiting = size, waiting
        for number in sorted(numbers):
            first = number * log.TILE_WIDTH
            last = min(first + log.TILE_WIDTH, size)
            name = bundle_path("reply", number)
            replies = dict(self._ledger.replies(first, last))
            if replies:
                data = encode_bundle([replies.get(i, b"") for i in range(first, last)])
                self._replace(name, data)

    def retire_evidence(self, keep_from: int) -> int:
        """Removes evidence bundles that end before entry ``keep_from``; how many.

        Those with a registration stay: whoever comes later believes no issuer without. The
        tree and the entries stay too: whoever kept the evidence can still check it.
        """
        gone = 0
        needed = {index // log.TILE_WIDTH for index in self._ledger.registrations()}
        for number in set(range(keep_from // log.TILE_WIDTH)) - needed:
            path = self._path / bundle_path("evidence", number)
            if path.exists():
                folder.remove_file(path)
                gone += 1
        return gone

    def _published(self) -> Checkpoint | None:
        path = self._path / folder.CHECKPOINT
        if not path.exists():
            return None
        return Checkpoint.open(folder.read_text(path), *self._ledger.verifier_keys)

    def _check_continues(self, before: Checkpoint) -> None:
        size = self._ledger.size
        if before.size > size or self._ledger.root(before.size) != before.root:
            raise StateConflict(
                f"{self._path} holds a log of {before.size} entries that this ledger ({size} "
                "entries) does not continue; nothing was published"
            )

    def _write_tiles(self, start: int, size: int) -> None:
        level = 0
        while size >> (log.TILE_HEIGHT * level):
            shift = log.TILE_HEIGHT * level
            for number, first, last in _spans(start >> shift, size >> shift):
                data = self._ledger.tile(level, number)[: (last - first) * log.HASH_BYTES]
                self._add(log.tile_path(level, number, last - first), data)
            level += 1

    def _write_bundles(self, start: int, size: int) -> None:
        for number, first, last in _spans(start, size):
            entries, evidence = [], []
            for _, entry, proof, memo, _ in self._ledger.records(first, last):
                entries.append(entry)
                evidence.append(Writer().var32(proof or b"").var8(memo or b"").finish())
            width = last - first
            data = b"".join(len(e).to_bytes(2, "big") + e for e in entries)
            self._add(log.tile_path("entries", number, width), data)
            self._add(bundle_path("evidence", number, width), encode_bundle(evidence))

    def _remove_partials(self, start: int, size: int) -> None:
        """Removes partial tiles and bundles in whose place a full one lies by now."""
        level = 0
        while size >> (log.TILE_HEIGHT * level):
            shift = log.TILE_HEIGHT * level
            for number, first, last in _spans(start >> shift, size >> shift):
                if last - first == log.TILE_WIDTH:
                    names = [log.tile_path(level, number)]
                    if level == 0:
                        names += [log.tile_path("entries", number), bundle_path("evidence", number)]
                    for name in names:
                        folder.remove_tree(self._path / f"{name}.p")
            level += 1

    def _add(self, name: str, data: bytes) -> None:
        """Writes a file that never changes."""
        path = self._path / name
        if not path.exists():
            self._replace(name, data)
        elif folder.read_file(path) != data:
            raise StateConflict(f"{path} holds other bytes than the ledger; nothing was published")

    def _replace(self, name: str, data: bytes) -> None:
        path = self._path / name
        if path.exists() and folder.read_file(path) == data:
            return
        folder.make(path.parent)
        folder.write_file(path, data)


def _spans(start: int, size: int) -> Iterator[tuple[int, int, int]]:
    """(number, first, last) of every tile that holds one of ``start`` to ``size`` − 1."""
    for number in range(start // log.TILE_WIDTH, -(-size // log.TILE_WIDTH)):
        first = number * log.TILE_WIDTH
        yield number, first, min(first + log.TILE_WIDTH, size)


def bundle_path(kind: str, number: int, width: int = log.TILE_WIDTH) -> str:
    """Path of an ``evidence`` or ``reply`` bundle, numbered like the tiles."""
    return f"{kind}/{log.tile_path(0, number, width).removeprefix('tile/0/')}"


def _attachment_path(digest: bytes) -> str:
    return f"{folder.ATTACHMENTS}/{digest.hex()}"


def encode_bundle(items: list[bytes]) -> bytes:
    """Items one after the other, each after its length in 4 bytes."""
    writer = Writer()
    for item in items:
        writer.var32(item)
    return writer.finish()


def decode_bundle(data: bytes) -> list[bytes]:
    """The items of a bundle; MalformedInput if it is cut or has more than 256."""
    reader = Reader(data)
    items: list[bytes] = []
    while reader.remaining:
        if len(items) == log.TILE_WIDTH:
            raise MalformedInput("a bundle holds at most 256 items")
        items.append(reader.var32())
    return items


def decode_entries(data: bytes) -> list[bytes]:
    """The encoded entries of an entry bundle."""
    reader = Reader(data)
    entries: list[bytes] = []
    while reader.remaining:
        if len(entries) == log.TILE_WIDTH:
            raise MalformedInput("a bundle holds at most 256 entries")
        entries.append(reader.var16())
    return entries


class StaticSource:
    """A published log as a source for auditors: a folder, or the URL of one.

    Nothing is believed but ``genesis``, which the caller pins; what is missing or
    cut shows in the audit.
    """

    def __init__(self, place: str | Path) -> None:
        self._place = place
        self._read = open_place(place)
        self.genesis = Genesis.decode(self._need(folder.GENESIS))
        text = self._need(folder.CHECKPOINT)
        try:
            self.published_checkpoint = text.decode()
        except UnicodeDecodeError:
            raise MalformedInput("the published checkpoint is not text") from None
        self.size = Checkpoint.open(self.published_checkpoint, *self.genesis.log_keys).size

    @property
    def ledger_id(self) -> bytes:
        """32 bytes that name the ledger."""
        return self.genesis.ledger_id

    def records(self, start: int, stop: int) -> Iterator[Record]:
        """(index, encoded entry, evidence, memo, reply); None for what is not there."""
        for number, first, last in _spans(start, min(stop, self.size)):
            yield from self._bundle(number, first, last, start)

    def attachment(self, digest: bytes) -> bytes | None:
        """The file beside the log whose BLAKE3 hash is ``digest``, None if it is not there."""
        return self._get(_attachment_path(digest))

    def tile(self, level: int, number: int) -> bytes:
        """Hashes of a tile of the tree under the published checkpoint, 32 bytes each.

        CheckFailed ``withheld`` if the file is not there, MalformedInput if it is cut.
        """
        width = min(
            log.TILE_WIDTH, (self.size >> log.TILE_HEIGHT * level) - number * log.TILE_WIDTH
        )
        if width <= 0:
            return b""
        name = log.tile_path(level, number, width)
        found = self._get(name)
        if found is None:  # a partial tile may have made way for the full one
            found = self._get(log.tile_path(level, number))
        if found is None:
            raise self._withheld(name)
        if len(found) not in (width * log.HASH_BYTES, log.TILE_WIDTH * log.HASH_BYTES):
            raise MalformedInput(f"{name} has {len(found)} bytes")
        return found[: width * log.HASH_BYTES]

    def _bundle(self, number: int, first: int, last: int, start: int) -> Iterator[Record]:
        width = min(log.TILE_WIDTH, self.size - number * log.TILE_WIDTH)
        found = self._get(log.tile_path("entries", number, width))
        whole = found is None and width < log.TILE_WIDTH
        if whole:  # the partial bundle made way for the full one
            found = self._get(log.tile_path("entries", number))
        if found is None:
            raise self._withheld(log.tile_path("entries", number, width))
        entries = decode_entries(found)
        if not (len(entries) == width or (whole and len(entries) > width)):
            raise MalformedInput(f"entry bundle {number} has {len(entries)} entries, not {width}")
        beside = self._get(bundle_path("evidence", number, log.TILE_WIDTH if whole else width))
        evidence = [] if beside is None else [_evidence(x) for x in decode_bundle(beside)]
        answered = self._get(bundle_path("reply", number))
        replies = [] if answered is None else decode_bundle(answered)
        for index in range(max(first, start), last):
            at = index - number * log.TILE_WIDTH
            proof, memo = evidence[at] if at < len(evidence) else (None, None)
            reply = replies[at] if at < len(replies) and replies[at] else None
            yield index, entries[at], proof, memo, reply

    def _need(self, name: str) -> bytes:
        data = self._get(name)
        if data is None:
            raise StoreError(f"{self._place} has no {name}: it is not a published log")
        return data

    def _withheld(self, name: str) -> CheckFailed:
        return CheckFailed(f"{self._place} has no {name}: it is cut", check="withheld")

    def _get(self, name: str) -> bytes | None:
        return self._read(name)


def open_place(place: str | Path) -> Callable[[str], bytes | None]:
    """How to read the files of a published log, in a folder or behind a URL, by their names.

    The function gives None for a file that is not there. It raises StoreError, and CheckFailed
    ``too-large`` for one that is longer than it can be.
    """
    if isinstance(place, str) and place.startswith(("http://", "https://")):
        return lambda name: _download(f"{place.rstrip('/')}/{name}", file_limit(name))
    root = Path(place)

    def read(name: str) -> bytes | None:
        path = root / name
        return _read_file(path, file_limit(name)) if path.is_file() else None

    return read


def _evidence(item: bytes) -> tuple[bytes, bytes]:
    reader = Reader(item)
    proof, memo = reader.var32(), reader.var8()
    reader.finish()
    return proof, memo


def _read_file(path: Path, limit: int) -> bytes:
    """The file, which somebody else may have put there."""
    try:
        with path.open("rb") as file:
            return read_parts(str(path), _parts(file), limit)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


def _parts(stream: IO[bytes]) -> Iterator[bytes]:
    while part := stream.read(PART_BYTES):
        yield part


def _download(url: str, limit: int) -> bytes | None:
    """The body behind ``url``, None for 404; StoreError for anything else.

    CheckFailed ``too-large`` for more than ``limit`` bytes.
    """
    import http.client
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:  # noqa: S310
            announced = response.headers.get("Content-Length")
            return read_parts(url, _parts(response), limit, announced)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            return None
        raise StoreError(f"{url}: {error}") from None
    except (OSError, http.client.HTTPException) as error:
        raise StoreError(f"{url}: {error}") from None
