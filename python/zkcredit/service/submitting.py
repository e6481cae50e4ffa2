"""Endpoints that change something: submissions, replies, attachments, request keys."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from zkcredit.entries import (
    EVIDENCE_MAX_BYTES,
    IssuerStatement,
    LineStatement,
    MerchantStatement,
    Submission,
)
from zkcredit.errors import Refused, ZkCreditError
from zkcredit.ledger.attachments import ATTACHMENT_MAX_BYTES
from zkcredit.service import wire
from zkcredit.service.context import Context, fingerprint
from zkcredit.service.problems import problem_of
from zkcredit.service.signatures import check_binding

SUBMISSION_MAX_BYTES = EVIDENCE_MAX_BYTES + (128 << 10)
BATCH_MAX_BYTES = 8 << 20
KEY_MAX_BYTES = 4_096


def _json(body: wire.Body, status: int = 200, **headers: str) -> Response:
    from msgspec.json import encode

    headers["Cache-Control"] = "no-store"
    return Response(encode(body), status, headers, wire.JSON)


class Submitting:
    """The endpoints, over one context."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def entry(self, request: Request) -> Response:
        """Submits one statement with its evidence."""
        content, key, _ = await self._content(request, SUBMISSION_MAX_BYTES, wire.SUBMISSION)
        with self._context.running(key):
            submission = Submission.decode(content)
            self._check_open([submission])
            (result,) = await self._context.pipeline.submit([submission], fingerprint(key, content))
        if isinstance(result, ZkCreditError):
            raise result
        status = 200 if result.duplicate else 201
        return _json(wire.Accepted.of(result), status, Location=f"/v1/entries/{result.index}")

    async def batch(self, request: Request) -> Response:
        """Submits up to 1,024 statements; each gets its own answer."""
        content, key, _ = await self._content(request, BATCH_MAX_BYTES, wire.BATCH)
        with self._context.running(key):
            submissions = wire.decode_batch(content)
            self._check_open(submissions)
            self._context.buckets.take(_address(request), len(submissions) - 1)
            results = await self._context.pipeline.submit(submissions, fingerprint(key, content))
        found = [
            wire.BatchResult(problem=problem_of(result))
            if isinstance(result, ZkCreditError)
            else wire.BatchResult(accepted=wire.Accepted.of(result))
            for result in results
        ]
        return _json(wire.BatchResults(results=found))

    async def replies(self, request: Request) -> Response:
        """Stores an issuer's replies to entries, all or none."""
        content, key, party = await self._content(
            request, BATCH_MAX_BYTES, wire.REPLIES, must_sign=True
        )
        with self._context.running(key):
            replies = wire.decode_replies(content)
            await self._context.call(self._store_replies, party, key, content, replies)
        self._context.publisher.poke()
        return _json(wire.Stored(stored=len(replies)))

    def _store_replies(
        self, party: bytes, key: bytes, content: bytes, replies: Sequence[tuple[int, bytes]]
    ) -> None:
        ledger = self._context.ledger
        registry = ledger.registry
        for index, _ in replies:
            statement = ledger.entry(index).statement
            if not isinstance(statement, LineStatement):
                raise Refused("not-yours", f"entry {index} is not answered by anybody")
            if registry.published(statement.terms_hash).issuer_id != party:
                raise Refused("not-yours", f"entry {index} is answered by another issuer")
        self._context.store.use_request(*fingerprint(key, content))
        ledger.post_replies(replies)

    async def attachment(self, request: Request) -> Response:
        """Stores a file that an entry names by its hash."""
        content, key, _ = await self._content(
            request, ATTACHMENT_MAX_BYTES, wire.BINARY, must_sign=True
        )
        with self._context.running(key):
            digest = await self._context.call(self._attach, key, content)
        self._context.publisher.poke()
        return _json(wire.Attached(digest=digest.hex()))

    def _attach(self, key: bytes, content: bytes) -> bytes:
        self._context.store.use_request(*fingerprint(key, content))
        return self._context.ledger.attach(content)

    async def key(self, request: Request) -> Response:
        """Binds the Ed25519 key that signs a party's requests."""
        content = await self._context.read(request, KEY_MAX_BYTES, wire.JSON)
        binding = wire.decode(content, wire.KeyBinding)
        await self._context.call(self._bind, binding)
        return _json(binding)

    def _bind(self, binding: wire.KeyBinding) -> None:
        registry = self._context.reader.registry
        self._context.store.bind_key(*check_binding(registry, binding))

    # --- inside ------------------------------------------------------------------

    async def _content(
        self, request: Request, limit: int, media_type: str, *, must_sign: bool = False
    ) -> tuple[bytes, bytes, bytes]:
        """(content, idempotency key, signer or nothing); a signature is checked first."""
        context = self._context
        signature = await context.signed(request, required=must_sign)
        party = b"" if signature is None else signature[0]
        key = context.request_key(request, party)
        content = await context.read(request, limit, media_type)
        if signature is not None:
            await context.call(signature[1].check_content, content, party, context.store)
        return content, key, party

    def _check_open(self, submissions: Sequence[Submission]) -> None:
        if not self._context.settings.closed:
            return
        for submission in submissions:
            if isinstance(submission.statement, IssuerStatement | MerchantStatement):
                raise Refused("registration-closed", "ask the operator to register you")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
