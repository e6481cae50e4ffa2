"""Collecting cosignatures of a published checkpoint, by anybody who can write the folder.

Members with a URL are asked by the C2SP witness protocol; those without hand in files.
Only lines that verify under a key of the policy are taken over.
"""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from zkcredit.cosigner.mirror import PublishedLog, tiles_of
from zkcredit.cosigner.witness import Request
from zkcredit.errors import CheckFailed, MalformedInput, StoreError, ZkCreditError
from zkcredit.ledger import folder, log
from zkcredit.ledger.limits import PART_BYTES, read_parts
from zkcredit.ledger.note import NOTE_MAX_BYTES, Checkpoint, Note, Signature, parse_signature
from zkcredit.ledger.quorum import Policy, Verdict

_TIMEOUT_S = 30
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Collected:
    """The checkpoint with all lines that verify, what the policy says, and what went wrong.

    ``failures`` are messages by URL or name of the file.
    """

    note: Note
    verdict: Verdict
    failures: dict[str, str] = field(default_factory=dict)


def collect(
    source: PublishedLog, policy: Policy, handed_in: Iterable[tuple[str, str]] = ()
) -> Collected:
    """Asks the policy's witnesses for cosignatures of the published checkpoint.

    ``handed_in`` are (name, text) of cosigned checkpoints that came by other ways.
    Members that fail are reported and hold nobody up. CheckFailed if the checkpoint is not
    the log's.
    """
    text = source.published_checkpoint
    Checkpoint.open(text, *source.genesis.log_keys)
    note = Note.decode(text)
    failures: dict[str, str] = {}
    for name, offered in _offers(source, policy, note, handed_in):
        try:
            note = _merge(note, policy, offered())
        except ZkCreditError as error:
            failures[name] = str(error)
    return Collected(note, policy.evaluate(note), failures)


def write(place: Path, collected: Collected, ledger: Path | None = None) -> None:
    """Puts the cosigned checkpoint into a published folder; raises StoreError.

    ``checkpoint`` is replaced unless the log has gone on meanwhile, and the file
    ``checkpoint.cosigned``, there and in the folder ``ledger``, if the policy is met and it
    held no larger one.
    """
    data = collected.note.encode().encode()
    with folder.locked(place):
        if _read(place / folder.CHECKPOINT).text == collected.note.text:
            folder.write_file(place / folder.CHECKPOINT, data)
        for path in (one / folder.COSIGNED for one in (place, ledger) if one is not None):
            size = Checkpoint.parse(_read(path).text).size if path.is_file() else 0
            if collected.verdict.is_met and collected.verdict.head.size >= size:
                folder.write_file(path, data)


def _read(path: Path) -> Note:
    return Note.decode(folder.read_text(path))


def _offers(
    source: PublishedLog, policy: Policy, note: Note, handed_in: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, Callable[[], Sequence[Signature]]]]:
    """Where lines may come from, and how to get them."""
    for name, text in handed_in:
        yield name, partial(_handed_in, note, text)
    for url in dict.fromkeys(party.url for party in policy.witnesses):
        if url is not None:
            yield url, partial(_ask, url, source, note)


def _handed_in(note: Note, text: str) -> Sequence[Signature]:
    offered = Note.decode(text)
    if offered.text != note.text:
        raise CheckFailed("this is another checkpoint than the published one")
    return offered.signatures


def _merge(note: Note, policy: Policy, offered: Iterable[Signature]) -> Note:
    """Adds lines of keys of the policy; CheckFailed if one of them does not verify."""
    known = {(party.key.name, party.key.id): party.key for party in policy.witnesses}
    lines = [line for line in offered if (line.name, line.key_id) in known]
    for line in lines:
        known[line.name, line.key_id].check(note.text, line.signature)
    names = {(line.name, line.key_id) for line in lines}
    kept = (line for line in note.signatures if (line.name, line.key_id) not in names)
    return Note(note.text, (*kept, *lines))


def _ask(url: str, source: PublishedLog, note: Note) -> Sequence[Signature]:
    """The lines that one member answers with ``add-checkpoint``."""
    head = Checkpoint.parse(note.text)
    nodes = partial(log.node_from_tiles, tiles_of(source))
    old_size = 0
    for _ in range(_ATTEMPTS):
        proof = log.consistency_proof(nodes, old_size, head.size)
        request = Request(old_size, tuple(proof), note, head)
        status, body = _post(f"{url.rstrip('/')}/add-checkpoint", request.encode())
        if status == HTTPStatus.OK:
            return [parse_signature(line) for line in body.splitlines()]
        size = re.fullmatch("(0|[1-9][0-9]{0,18})\n", body)
        if status != HTTPStatus.CONFLICT or size is None:
            raise CheckFailed(f"{url} refuses ({status}): {body[:200].strip()}")
        old_size = int(size[1])
        if old_size > head.size:
            raise CheckFailed(f"{url} has signed {old_size} entries already")
    raise CheckFailed(f"{url} changes its mind too often: try again")


def _post(url: str, data: bytes) -> tuple[int, str]:
    """Status and body of a POST; StoreError if there is no answer, CheckFailed ``too-large``."""
    if not url.startswith(("http://", "https://")):
        raise MalformedInput(f"{url} is not an address of a witness")
    request = urllib.request.Request(url, data, {"Content-Type": "text/plain; charset=utf-8"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            status, body = response.status, _body(url, response)
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, _body(url, error)
    except (OSError, http.client.HTTPException) as error:
        raise StoreError(f"{url}: {error}") from None
    try:
        return status, body.decode()
    except UnicodeDecodeError:
        raise MalformedInput(f"{url} does not answer with text") from None


def _body(url: str, response: Any) -> bytes:
    """The answer: cosignature lines, a size or a reason, all of them shorter than a note.

    StoreError if it has not come after 30 seconds, however little comes at a time.
    """
    deadline = time.monotonic() + _TIMEOUT_S

    def parts() -> Iterator[bytes]:
        while part := response.read1(PART_BYTES):
            if time.monotonic() > deadline:
                raise StoreError(f"{url} answers too slowly")
            yield part

    return read_parts(url, parts(), NOTE_MAX_BYTES)
