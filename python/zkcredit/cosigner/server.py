"""A cosigner over HTTP (Starlette): the C2SP witness protocol, and its list of void entries.

``POST /add-checkpoint`` is tlog-witness's submission, ``GET /<sha256 of origin>/checkpoint``
its monitoring, ``GET /keys`` and ``GET /voids?start=`` (JSON) are this program's own.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from zkcredit.cosigner.keys import Role
from zkcredit.cosigner.witness import REQUEST_MAX_BYTES, Answer

if TYPE_CHECKING:
    from starlette.requests import Request

    from zkcredit.cosigner.cosigner import Cosigner

_VOIDS_LISTED = 1_000
_INDEX_LIMIT = 1 << 63


class Application(Starlette):
    """The application of one cosigner; the caller closes the cosigner."""

    def __init__(self, cosigner: Cosigner) -> None:
        super().__init__(routes=_Routes(cosigner).all())
        self._cosigner = cosigner

    @property
    def failed(self) -> bool:
        """Whether a failed sync ended all writing, so that the server has to end."""
        return self._cosigner.mirror.failed


class _Routes:
    def __init__(self, cosigner: Cosigner) -> None:
        self._cosigner = cosigner
        self._log_name = hashlib.sha256(cosigner.genesis.origin.encode()).hexdigest()

    def all(self) -> list[Route]:
        return [
            Route("/add-checkpoint", self.add_checkpoint, methods=["POST"]),
            Route(f"/{self._log_name}/checkpoint", self.checkpoint),
            Route("/keys", self.keys),
            Route("/voids", self.voids),
        ]

    async def add_checkpoint(self, request: Request) -> Response:
        body = await _body(request)
        answer = await run_in_threadpool(self._cosigner.add_checkpoint, body)
        return _response(answer)

    async def checkpoint(self, _: Request) -> Response:
        note = await run_in_threadpool(self._cosigner.last_signed)
        if note is None:
            raise HTTPException(404, "nothing was signed yet")
        return Response(note.encode(), media_type="text/plain")

    async def keys(self, _: Request) -> Response:
        keys = self._cosigner.keys
        return JSONResponse(
            [
                {"key": key.encode(), "role": role, "states": role.statement}
                for role in Role
                for key in keys.public(role)
            ]
        )

    async def voids(self, request: Request) -> Response:
        start = request.query_params.get("start", "0")
        if not (start.isascii() and start.isdigit()) or int(start[:20]) >= _INDEX_LIMIT:
            raise HTTPException(400, "start is the index of an entry")
        found = await run_in_threadpool(self._cosigner.voids, int(start), _VOIDS_LISTED)
        return JSONResponse([{"index": v.index, "rule": v.rule} for v in found])


async def _body(request: Request) -> bytes:
    """The body; one that is too long is not read to its end."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > REQUEST_MAX_BYTES:
            raise HTTPException(413, f"a request has at most {REQUEST_MAX_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _response(answer: Answer) -> Response:
    # Starlette adds a character set to media types of text; a size line is to have none.
    return Response(answer.body, answer.status, headers={"Content-Type": answer.content_type})
