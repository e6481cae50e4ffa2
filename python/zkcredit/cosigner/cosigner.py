"""One cosigner in one folder: it follows a log, and signs what it can vouch for.

What is about to be signed is on disk (SQLite, synchronous=FULL) before a key is touched,
so no key ever signs two roots for one size or a smaller tree than before. A backup of the
database that was put back would forget that; what this cosigner has signed is therefore
also remembered from its own signatures, wherever they turn up: in the file ``checkpoint``
of its folder and in every checkpoint that the log publishes or submits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Self

from zkcredit.clock import system_clock
from zkcredit.cosigner.keys import KEY_FILE, CosignerKeys, Role
from zkcredit.cosigner.mirror import Mirror, PublishedLog, tiles_of
from zkcredit.cosigner.store import CosignerStore
from zkcredit.cosigner.witness import Answer, Request, Witness
from zkcredit.errors import CheckFailed, MalformedInput, StateConflict, ZkCreditError
from zkcredit.ledger import folder, log
from zkcredit.ledger.genesis import Genesis
from zkcredit.ledger.note import Checkpoint, Note, Signature, Signer, VerifierKey, parse_signature
from zkcredit.ledger.replay import Void

DATABASE = "cosigner.db"
_RULES, _WITNESS = "rules", "witness"
"""Purposes of heads. Both rules roles share one: they never contradict each other."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What one look at the log has brought.

    ``signed`` are the names of the keys that signed, ``note`` is the checkpoint with their
    lines; ``voids`` are the void entries that are new.
    """

    head: Checkpoint
    entries: int
    voids: list[Void]
    signed: list[str]
    note: Note


class Cosigner:
    """Use :meth:`create` or :meth:`open`, then :meth:`follow`; threads may share one."""

    def __init__(
        self,
        path: Path,
        keys: CosignerKeys,
        store: CosignerStore,
        genesis: Genesis,
        clock: Callable[[], int] = system_clock,
    ) -> None:
        self._path = path
        self._keys = keys
        self._store = store
        self._clock = clock
        self.genesis = genesis
        self.mirror = Mirror(store, genesis)
        logs = {genesis.origin: genesis.log_keys}
        self._witness = Witness(store, _WITNESS, logs, self._prepare_submitted, clock)

    @classmethod
    def create(
        cls, path: str | Path, genesis: Genesis, name: str, clock: Callable[[], int] = system_clock
    ) -> Self:
        """A new cosigner of the ledger of ``genesis`` in the folder ``path``.

        ``name`` is 1..64 bytes without space or ``+``. StateConflict if there is one.
        """
        place = Path(path)
        keys = CosignerKeys.generate(name)
        folder.make(place)
        files = (folder.GENESIS, DATABASE, KEY_FILE)
        for file in files:
            if (place / file).exists():
                raise StateConflict(f"{place} already holds a cosigner ({file} exists)")
        try:
            keys.write(place)
            store = CosignerStore.create(place / DATABASE, genesis.encode())
            folder.write_file(place / folder.GENESIS, genesis.encode())
        except ZkCreditError:
            for file in files:  # nothing was signed: there never was a cosigner
                folder.remove_file(place / file)
            raise
        return cls(place, keys, store, genesis, clock)

    @classmethod
    def open(cls, path: str | Path, clock: Callable[[], int] = system_clock) -> Self:
        """The cosigner in the folder ``path``; StoreError, MalformedInput, StateConflict."""
        place = Path(path)
        keys = CosignerKeys.read(place)
        genesis = folder.read_genesis(place)
        store = CosignerStore.open(place / DATABASE)
        try:
            if store.genesis() != genesis.encode():
                raise MalformedInput(f"{place}: genesis and database are of different ledgers")
            found = cls(place, keys, store, genesis, clock)
            found._recall(found.last_signed())
        except ZkCreditError:
            store.close()
            raise
        return found

    def close(self) -> None:
        """Closes the database; safe to repeat."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def keys(self) -> CosignerKeys:
        """Name and keys."""
        return self._keys

    def voids(self, start: int = 0, limit: int = 1_000) -> list[Void]:
        """Void entries from index ``start`` on, at most ``limit``."""
        return self._store.voids(start, limit)

    def signed_head(self, role: Role) -> Checkpoint:
        """The largest checkpoint that keys of this role's purpose have signed."""
        return self._store.head(_purpose(role), self.genesis.origin)

    def last_signed(self) -> Note | None:
        """The checkpoint signed last with this cosigner's lines, None before the first."""
        path = self._path / folder.CHECKPOINT
        if not path.is_file():
            return None
        return Note.decode(folder.read_text(path))

    # --- following -----------------------------------------------------------

    def follow(
        self, source: PublishedLog, progress: Callable[[int, int], None] | None = None
    ) -> Followed:
        """Judges what is new in a published log and signs its checkpoint.

        CheckFailed with the name of the check (``other-ledger``, those of
        :meth:`Mirror.follow`, ``fork``), StateConflict, StoreError: then nothing is signed.
        """
        if source.genesis != self.genesis:
            raise CheckFailed(
                f"this is ledger {source.genesis.ledger_id.hex()}, "
                f"not {self.genesis.ledger_id.hex()}",
                check="other-ledger",
            )
        text = source.published_checkpoint
        head = Checkpoint.open(text, *self.genesis.log_keys)
        note = Note.decode(text)
        self._recall(note)
        self._check_continues(source, head)
        before = self.mirror.size
        self.mirror.follow(source, head, progress)
        voids = self._store.voids(before)
        lines = self._sign(note, head)
        note = self._remember(note, lines)
        return Followed(head, head.size - before, voids, [line.name for line in lines[::2]], note)

    def _check_continues(self, source: PublishedLog, head: Checkpoint) -> None:
        """Heads that were signed, but are not in the mirror yet, must be part of the log."""
        size = self.mirror.size
        for role in (Role.RULES, Role.WITNESS):
            known = self.signed_head(role)
            if known.size > head.size and role is Role.RULES:
                raise CheckFailed(
                    f"the log is published with {head.size} entries, {known.size} were signed "
                    "before",
                    check="rolled-back",
                )
            if size < known.size <= head.size:
                nodes = partial(log.node_from_tiles, tiles_of(source))
                proof = log.consistency_proof(nodes, known.size, head.size)
                try:
                    log.verify_consistency(known.size, head.size, proof, known.root, head.root)
                except CheckFailed as error:
                    raise _fork(known) from error

    def _sign(self, note: Note, head: Checkpoint) -> list[Signature]:
        with self._store.write():
            roles = [self._vouch(head)]
            if self.signed_head(Role.WITNESS).size <= head.size:
                self._store.advance_head(_WITNESS, head)
                roles.append(Role.WITNESS)
        time_s = self._clock() // 1000
        return [signer.sign(note.text, time_s) for signer in self._signers(roles)]

    def _vouch(self, head: Checkpoint) -> Role:
        """Notes that the rules were checked up to ``head``, and says which key may state it.

        CheckFailed ``fork`` if it, or what was signed before, is not of the log that was
        verified.
        """
        size = self.mirror.size
        signed = (self.signed_head(role) for role in (Role.RULES, Role.WITNESS))
        for known in (head, *signed):
            if known.size <= size and self.mirror.root(known.size) != known.root:
                raise _fork(known)
        self._store.advance_head(_RULES, head)
        return Role.VOIDS if self._store.count_voids(head.size) else Role.RULES

    def _signers(self, roles: Iterable[Role]) -> list[Signer]:
        return [signer for role in roles for signer in self._keys.signers(role)]

    # --- the witness protocol -------------------------------------------------

    def add_checkpoint(self, data: bytes) -> Answer:
        """Answers an ``add-checkpoint`` request of the C2SP witness protocol.

        The witness keys sign what is consistent; the rules keys sign too if this cosigner
        has judged all entries of the checkpoint already.
        """
        answer = self._witness.add_checkpoint(data)
        if answer.status == HTTPStatus.OK:
            lines = [parse_signature(line) for line in answer.body.decode().splitlines()]
            self._remember(Request.decode(data).note, lines)
        return answer

    def _prepare_submitted(self, note: Note, head: Checkpoint) -> list[Signer]:
        self._recall(note)
        roles = [Role.WITNESS]
        if head.size <= self.mirror.size and self.signed_head(Role.RULES).size <= head.size:
            roles.insert(0, self._vouch(head))
        return self._signers(roles)

    # --- memory ----------------------------------------------------------------

    def _remember(self, note: Note, lines: Sequence[Signature]) -> Note:
        """The checkpoint with own lines, kept in the folder unless a larger one is there."""
        own = {(line.name, line.key_id) for line in lines}
        others = (s for s in note.signatures if (s.name, s.key_id) not in own)
        signed = Note(note.text, (*others, *lines))
        with self._store.lock:
            last = self.last_signed()
            if last is None or _size(last) <= _size(signed):
                folder.write_file(self._path / folder.CHECKPOINT, signed.encode().encode())
        return signed

    def _recall(self, note: Note | None) -> None:
        """Takes over heads from own signatures that the database does not know of.

        So a database that was restored from a backup signs nothing that contradicts what
        it has forgotten. StateConflict if own signatures contradict each other already.
        """
        if note is None:
            return
        head = Checkpoint.parse(note.text)
        if head.origin != self.genesis.origin:
            raise StateConflict(f"{self._path} has signed another log, {head.origin}")
        for role in Role:
            if any(_signed(note, key) for key in self._keys.public(role)):
                with self._store.write():
                    known = self.signed_head(role)
                    if head.size > known.size:
                        self._store.advance_head(_purpose(role), head)
                    elif head.size == known.size and head.root != known.root:
                        raise StateConflict(
                            f"the keys of {self._keys.name} have signed two roots for "
                            f"{head.size} entries: replace the keys"
                        )


def _purpose(role: Role) -> str:
    return _WITNESS if role is Role.WITNESS else _RULES


def _fork(known: Checkpoint) -> CheckFailed:
    return CheckFailed(
        f"the tree that was signed at {known.size} entries is not part of this log", check="fork"
    )


def _size(note: Note) -> int:
    return Checkpoint.parse(note.text).size


def _signed(note: Note, key: VerifierKey) -> bool:
    try:
        note.verify(key)
    except CheckFailed:
        return False
    return True
