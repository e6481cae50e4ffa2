"""The service as an ASGI application.

:class:`Service` wraps the routes in what every answer has: a request id, a place in the
limits, a line in the log, figures, and problems (RFC 9457) in place of errors.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec.json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from zkcredit.errors import StoreError, ZkCreditError
from zkcredit.service import wire
from zkcredit.service.context import Context, Settings
from zkcredit.service.problems import CONTENT_TYPE, KINDS, Problem, problem, problem_of
from zkcredit.service.reading import Reading
from zkcredit.service.submitting import Submitting
from zkcredit.service.telemetry import Log

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_BY_STATUS = {404: "not-found", 405: "method-not-allowed"}
_UNLIMITED = {"/healthz", "/readyz", "/metrics"}


class Service:
    """The application of one ledger folder; its lifespan opens and closes everything."""

    def __init__(self, folder: Path, settings: Settings | None = None, log: Log | None = None):
        self._folder = folder
        self._settings = settings or Settings()
        self.log = log or Log()
        self._router = Router(redirect_slashes=False, lifespan=self._lifespan)
        self._patterns: dict[object, str] = {}
        self._context: Context | None = None
        self.failure: ZkCreditError | None = None
        """Why the service could not start, or had to end."""

    @property
    def context(self) -> Context:
        """What is being served, between start-up and shutdown."""
        assert self._context is not None
        return self._context

    @property
    def failed(self) -> bool:
        """Whether nothing can be accepted any more until the service is started again."""
        context = self._context
        if context is None or not (context.ledger.failed or context.store.failed):
            return False
        self.failure = StoreError("a database could not be synced: start the service again")
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            await _Exchange(self, scope).run(self._router, receive, send)
        else:
            await self._router(scope, receive, send)

    # --- life --------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: object) -> AsyncIterator[None]:
        try:
            context = self._context = Context(self._folder, self._settings, self.log)
        except ZkCreditError as error:
            self.failure = error
            raise
        publishing: asyncio.Task[None] | None = None
        try:
            await context.publisher.start()
            self._add_routes(context)
            publishing = asyncio.create_task(context.publisher.run())
            self.log.write("started")
            yield
            await context.pipeline.close()
        except ZkCreditError as error:
            self.failure = error
            raise
        finally:
            if publishing is not None:
                await context.publisher.close()
                await publishing
            context.close()
            self.log.write("stopped")

    def _add_routes(self, context: Context) -> None:
        submitting, reading = Submitting(context), Reading(context)
        for path, endpoint, method in (
            ("/v1/entries", submitting.entry, "POST"),
            ("/v1/batches", submitting.batch, "POST"),
            ("/v1/replies", submitting.replies, "POST"),
            ("/v1/attachments", submitting.attachment, "POST"),
            ("/v1/keys", submitting.key, "POST"),
            ("/v1/entries/{index}", reading.entry, "GET"),
            ("/v1/entries/{index}/receipt", reading.receipt, "GET"),
            ("/v1/issuers/{issuer}/unanswered", reading.unanswered, "GET"),
            ("/v1/overdue", reading.overdue, "GET"),
            ("/v1/buckets/{table}", reading.bucket, "GET"),
            ("/genesis", reading.genesis, "GET"),
            ("/checkpoint", reading.checkpoint, "GET"),
            ("/checkpoint.cosigned", reading.cosigned, "GET"),
            ("/tile/{path:path}", reading.tile, "GET"),
            ("/evidence/{path:path}", reading.evidence, "GET"),
            ("/reply/{path:path}", reading.replies, "GET"),
            ("/attachments/{digest}", reading.attachment, "GET"),
            ("/openapi.json", self._openapi, "GET"),
            ("/healthz", self._healthz, "GET"),
            ("/readyz", self._readyz, "GET"),
            ("/metrics", self._metrics, "GET"),
        ):
            self._router.routes.append(Route(path, endpoint, methods=[method]))
            self._patterns[endpoint] = path

    def pattern(self, scope: Scope) -> str:
        """The pattern of the route that a request took."""
        return self._patterns.get(scope.get("endpoint"), "-")

    # --- about the service itself ------------------------------------------------

    async def _healthz(self, _: Request) -> Response:
        return _plain(wire.Health(status="ok"))

    async def _readyz(self, _: Request) -> Response:
        full = self.context.pipeline.full
        return _plain(wire.Health(status="busy" if full else "ok"), 503 if full else 200)

    async def _metrics(self, _: Request) -> Response:
        return Response(self.context.metrics.text(), media_type="text/plain; version=0.0.4")

    async def _openapi(self, _: Request) -> Response:
        from zkcredit.service.openapi import document_bytes

        headers = {"Cache-Control": "public, max-age=3600"}
        return Response(document_bytes(), 200, headers, wire.JSON)


def _plain(body: wire.Health, status: int = 200) -> Response:
    data = msgspec.json.encode(body)
    return Response(data, status, {"Cache-Control": "no-store"}, wire.JSON)


class _Exchange:
    """One request and its answer."""

    def __init__(self, service: Service, scope: Scope) -> None:
        self._service = service
        self._scope = scope
        self._id = _request_id(scope)
        self._status = 0

    async def run(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        """Limits, answers, and reports."""
        started = time.perf_counter()
        self._scope["app"] = app  # has the router raise for what it does not know
        watched = self._watched(send)
        try:
            try:
                self._limit()
                await app(self._scope, receive, watched)
            except Exception as error:
                if self._status:
                    raise
                await self._problem(error)(self._scope, receive, watched)
        finally:
            self._report(time.perf_counter() - started)

    def _limit(self) -> None:
        client = self._scope.get("client")
        if client is not None and self._scope["path"] not in _UNLIMITED:
            self._service.context.buckets.take(client[0])

    def _watched(self, send: Send) -> Send:
        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", self._id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        return watched

    def _problem(self, error: Exception) -> Response:
        if isinstance(error, ZkCreditError):
            return _problem_response(problem_of(error, self._id))
        if isinstance(error, HTTPException) and error.status_code in _BY_STATUS:
            name = _BY_STATUS[error.status_code]
            found = problem(name, KINDS[name].title, request_id=self._id)
            return _problem_response(found, dict(error.headers or {}))
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        self._service.log.write(
            "internal-error",
            request=self._id,
            error=type(error).__name__,
            file=None if place is None else Path(place.tb_frame.f_code.co_filename).name,
            line=None if place is None else place.tb_lineno,
        )
        return _problem_response(problem("internal", "see the log", request_id=self._id))

    def _report(self, seconds: float) -> None:
        route = self._service.pattern(self._scope)
        metrics = self._service.context.metrics
        metrics.requests.labels(route, str(self._status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        self._service.log.write(
            "request",
            request=self._id,
            method=self._scope["method"],
            route=route,
            status=self._status,
            ms=round(seconds * 1000, 1),
        )


def _problem_response(found: Problem, headers: dict[str, str] | None = None) -> Response:
    more = {"Cache-Control": "no-store", **(headers or {})}
    retry_after_s = KINDS[found.name].retry_after_s
    if retry_after_s is not None:
        more["Retry-After"] = str(retry_after_s)
    if found.status == 401:
        more["Accept-Signature"] = (
            'sig=("@method" "@target-uri" "content-digest" "idempotency-key")'
            ';created;keyid;nonce;alg="ed25519";tag="zkcredit"'
        )
    if found.status in (408, 413):
        more["Connection"] = "close"
    return Response(msgspec.json.encode(found), found.status, more, CONTENT_TYPE)


def _request_id(scope: Scope) -> str:
    """The client's X-Request-Id if it is a plain word, else a random one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value.decode())
    return secrets.token_hex(12)
