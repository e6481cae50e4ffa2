"""Endpoints that only read: the log's files, receipts, what is owed, buckets of keys."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec.json
from starlette.requests import Request
from starlette.responses import Response

from zkcredit.clock import system_clock
from zkcredit.entries import Kind
from zkcredit.errors import MalformedInput, Refused
from zkcredit.ledger import folder, log
from zkcredit.ledger.note import Checkpoint, Note
from zkcredit.ledger.static import encode_bundle
from zkcredit.ledger.tlogproof import TlogProof
from zkcredit.service import wire
from zkcredit.service.context import Context

BUCKET_MIN = 256
"""Fewest keys that one bucket shows, unless there are fewer in all."""
UNANSWERED_MAX = 1_024
DIGITS_MAX = 16
IMMUTABLE = "public, max-age=31536000, immutable"
FRESH = "no-cache"
_NUMBER = r"(?:x[0-9]{3}/)*[0-9]{3}"
_WIDTH = r"(?:\.p/(?:[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?"
TILE = re.compile(rf"(?:[0-7]|entries)/{_NUMBER}{_WIDTH}")
EVIDENCE = re.compile(_NUMBER + _WIDTH)
REPLY = re.compile(_NUMBER)
DIGEST = re.compile(r"[0-9a-f]{64}")
_TABLES = {
    "nullifiers": (Kind.SPEND, Kind.REFRESH, Kind.UPDATE, Kind.STATEMENT),
    "payees": (Kind.SPEND,),
    "opens": (Kind.OPEN,),
}


class Reading:
    """The endpoints, over one context."""

    def __init__(self, context: Context) -> None:
        self._context = context

    # --- files of the published log ----------------------------------------------

    async def genesis(self, request: Request) -> Response:  # noqa: ARG002
        """The ledger's public keys, from which its name is derived."""
        return await self._file(folder.GENESIS, wire.BINARY, IMMUTABLE)

    async def checkpoint(self, request: Request) -> Response:  # noqa: ARG002
        """The signed head of the log, covering all that was accepted before."""
        size = await self._context.call(lambda: self._context.reader.size)
        await self._context.publisher.fresh(size)
        return await self._file(folder.CHECKPOINT, "text/plain; charset=utf-8", FRESH)

    async def cosigned(self, request: Request) -> Response:  # noqa: ARG002
        """The last checkpoint that met the policy of whoever collects cosignatures."""
        return await self._file(folder.COSIGNED, "text/plain; charset=utf-8", FRESH)

    async def tile(self, request: Request) -> Response:
        """A tile of the tree, or a bundle of entries."""
        return await self._file(f"tile/{_match(request, 'path', TILE)}", wire.BINARY, IMMUTABLE)

    async def evidence(self, request: Request) -> Response:
        """A bundle of evidence and memos."""
        return await self._file(
            f"evidence/{_match(request, 'path', EVIDENCE)}", wire.BINARY, IMMUTABLE
        )

    async def attachment(self, request: Request) -> Response:
        """A file that an entry names."""
        name = f"{folder.ATTACHMENTS}/{_match(request, 'digest', DIGEST)}"
        return await self._file(name, wire.BINARY, IMMUTABLE)

    async def _file(self, name: str, media_type: str, caching: str) -> Response:
        data = await self._context.call(_read, self._context.place / name)
        return Response(data, 200, {"Cache-Control": caching}, media_type)

    async def replies(self, request: Request) -> Response:
        """A bundle of replies as it is now; it changes until all are there."""
        number = _bundle_number(_match(request, "path", REPLY))
        data = await self._context.call(self._reply_bundle, number)
        tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        headers = {"Cache-Control": FRESH, "ETag": tag}
        if tag in [one.strip() for one in request.headers.get("if-none-match", "").split(",")]:
            return Response(None, 304, headers)
        return Response(data, 200, headers, wire.BINARY)

    def _reply_bundle(self, number: int) -> bytes:
        reader = self._context.reader
        first = number * log.TILE_WIDTH
        last = min(first + log.TILE_WIDTH, reader.size)
        if first >= last:
            raise Refused("not-found", "there are no such entries yet")
        found = dict(reader.replies(first, last))
        return encode_bundle([found.get(index, b"") for index in range(first, last)])

    # --- single entries ----------------------------------------------------------

    async def entry(self, request: Request) -> Response:
        """One encoded entry."""
        data = await self._context.call(self._entry, _index(request))
        return Response(data, 200, {"Cache-Control": IMMUTABLE}, wire.BINARY)

    def _entry(self, index: int) -> bytes:
        if index >= self._context.reader.size:
            raise Refused("not-found", f"the ledger has no entry {index} yet")
        return self._context.reader.entry(index).encode()

    async def receipt(self, request: Request) -> Response:
        """An offline receipt of one entry (C2SP tlog-proof)."""
        index = _index(request)
        await self._context.call(self._entry, index)
        await self._context.publisher.fresh(index + 1)
        text = await self._context.call(self._receipt, index)
        headers = {"Cache-Control": FRESH}
        return Response(text, 200, headers, "text/plain; charset=utf-8")

    def _receipt(self, index: int) -> str:
        reader = self._context.reader
        note = _read(self._context.place / folder.CHECKPOINT).decode()
        size = Checkpoint.parse(Note.decode(note).text).size
        if index >= size:
            raise Refused("overloaded", "the entry is accepted and not published yet: try again")
        path = tuple(reader.inclusion_proof(index, size))
        return TlogProof(index, path, note, reader.entry(index).encode()).encode()

    # --- what is owed ------------------------------------------------------------

    async def unanswered(self, request: Request) -> Response:
        """Entries that wait for an issuer's reply."""
        issuer = bytes.fromhex(_match(request, "issuer", DIGEST))
        limit = _number(request, "limit", UNANSWERED_MAX, UNANSWERED_MAX)
        found = await self._context.call(self._unanswered, issuer, limit)
        return _json(wire.Unanswered(indexes=found))

    def _unanswered(self, issuer: bytes, limit: int) -> list[int]:
        reader = self._context.reader
        if issuer not in reader.registry.issuers:
            raise Refused("not-found", "no issuer is registered under this identifier")
        return reader.unanswered(issuer, limit)

    async def overdue(self, request: Request) -> Response:
        """Replies that are overdue: the issuers' public faults."""
        now_ms = _number(request, "now_ms", system_clock(), (1 << 53) - 1)
        owed = await self._context.call(self._context.reader.owed, now_ms)
        rows = [
            wire.Overdue(
                index=one.index,
                issuer=one.issuer_id.hex(),
                kind=one.kind.name.lower(),
                due_ms=one.due_ms,
            )
            for one in owed
        ]
        return _json(wire.OverdueReplies(overdue=rows))

    # --- buckets -----------------------------------------------------------------

    async def bucket(self, request: Request) -> Response:
        """All nullifiers, payees or openings that share a prefix, with their entries.

        Nobody may ask for a single key: that would tell the operator which entries
        belong together. A prefix has at most as many digits as leave 256 keys in a
        bucket on average, and what would show fewer is widened.
        """
        table = request.path_params["table"]
        if table not in _TABLES:
            raise Refused("not-found", "there are buckets of nullifiers, payees and opens")
        prefix = request.query_params.get("prefix", "")
        if re.fullmatch(rf"[0-9a-f]{{0,{DIGITS_MAX}}}", prefix) is None:
            raise MalformedInput(f"a prefix has 0 to {DIGITS_MAX} hexadecimal digits")
        return _json(await self._context.call(self._bucket, table, prefix))

    def _bucket(self, table: str, prefix: str) -> wire.Bucket:
        reader = self._context.reader
        digits = prefix_digits(reader.total(*_TABLES[table]))
        if len(prefix) > digits:
            raise Refused("bucket-too-small", f"ask with a prefix of {digits} digits")
        if len(prefix) < digits - 1:
            raise MalformedInput(f"a prefix has {digits} digits here")
        rows = reader.bucket(table, prefix)
        while len(rows) < BUCKET_MIN and prefix:
            prefix = prefix[:-1]
            rows = reader.bucket(table, prefix)
        settled = reader.settlements(x for _, x in rows) if table == "payees" else {}
        return wire.Bucket(
            prefix=prefix,
            digits=digits,
            rows=[
                wire.BucketRow(key=key.hex(), index=index, settled_by=settled.get(index))
                for key, index in rows
            ],
        )


def prefix_digits(count: int) -> int:
    """Longest prefix, in hexadecimal digits, that leaves 256 of ``count`` keys on average."""
    digits = 0
    while digits < DIGITS_MAX and count >> (4 * (digits + 1)) >= BUCKET_MIN:
        digits += 1
    return digits


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise Refused("not-found", "there is no such file; full tiles replace partial ones")
    return folder.read_file(path)


def _json(body: wire.Body) -> Response:
    return Response(msgspec.json.encode(body), 200, {"Cache-Control": FRESH}, wire.JSON)


def _match(request: Request, name: str, pattern: re.Pattern[str]) -> str:
    value: str = request.path_params[name]
    if pattern.fullmatch(value) is None:
        raise Refused("not-found", "there is no resource of this name")
    return value


def _bundle_number(path: str) -> int:
    return int("".join(part.removeprefix("x") for part in path.split("/")))


def _index(request: Request) -> int:
    text: str = request.path_params["index"]
    if re.fullmatch(r"0|[1-9][0-9]{0,17}", text) is None:
        raise Refused("not-found", "the index of an entry is a number")
    return int(text)


def _number(request: Request, name: str, default: int, highest: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if re.fullmatch(r"[1-9][0-9]{0,15}", text) is None or int(text) > highest:
        raise MalformedInput(f"{name} is a number from 1 to {highest}")
    return int(text)
