"""What the service's endpoints share: settings, the open ledger, and who asks."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from starlette.datastructures import MutableHeaders
from starlette.requests import Request

from zkcredit.errors import MalformedInput, Refused, StateConflict, StoreError
from zkcredit.ledger.accept import RequestKey
from zkcredit.ledger.folder import PUBLISHED
from zkcredit.ledger.operator import Operator
from zkcredit.service.limits import TokenBuckets, read_body
from zkcredit.service.pipeline import Pipeline
from zkcredit.service.publisher import Publisher
from zkcredit.service.signatures import Message, Signed, Verifier
from zkcredit.service.state import ServiceStore
from zkcredit.service.telemetry import Log, Metrics

DATABASE = "service.db"
LOCK = "service.lock"
_KEY = re.compile(r'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"')
_READERS = 4

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a service behaves.

    ``public_url`` is the address by which clients call it (signatures cover it); without
    it the Host header decides. ``rate`` and ``burst`` are requests and submissions a second
    and at once from one address (rate 0: no limit). ``interval_s`` is the time between
    publications, ``body_timeout_s`` how long a content may take to arrive. With ``closed``
    only the operator registers issuers and merchants, on its own machine.
    """

    public_url: str | None = None
    rate: float = 200.0
    burst: float = 4_096.0
    interval_s: float = 1.0
    body_timeout_s: float = 20.0
    closed: bool = False


class Context:
    """One ledger folder being served; made and closed inside the event loop."""

    def __init__(self, folder: Path, settings: Settings, log: Log) -> None:
        self.settings = settings
        self.log = log
        self.metrics = Metrics()
        self.folder = folder
        self.place = folder / PUBLISHED
        self.buckets = TokenBuckets(settings.rate, settings.burst)
        self.readers = ThreadPoolExecutor(_READERS, thread_name_prefix="read")
        with contextlib.ExitStack() as stack:
            stack.enter_context(_only_one(folder))
            self.ledger = stack.enter_context(Operator.open(folder))
            self.reader = stack.enter_context(Operator.open(folder, read_only=True))
            self.store = ServiceStore.at(folder / DATABASE)
            stack.callback(self.store.close)
            self._open = stack.pop_all()
        self.verifier = Verifier(self.store)
        self.publisher = Publisher(self.ledger, self.place, settings.interval_s, self.metrics, log)
        self.pipeline = Pipeline(self.ledger, self.metrics, self.publisher.poke)
        self._keys_in_use: set[bytes] = set()

    def close(self) -> None:
        """Closes the databases."""
        self.readers.shutdown()
        self._open.close()

    # --- who asks, and for what --------------------------------------------------

    async def read(self, request: Request, limit: int, media_type: str) -> bytes:
        """The request's content, of this type and at most ``limit`` bytes."""
        found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if found != media_type:
            raise Refused("media-type", f"the content must be {media_type}")
        return await read_body(request, limit, self.settings.body_timeout_s)

    async def signed(
        self, request: Request, *, required: bool = False
    ) -> tuple[bytes, Signed] | None:
        """Signer and signature of a request, before its content is read; None if unsigned.

        Refused ``signature-refused``, or ``signature-missing`` where one is required.
        """
        if "signature" in request.headers or "signature-input" in request.headers:
            return await self.call(self.verifier.check_head, self._message(request))
        if required:
            raise Refused("signature-missing", "sign the request (RFC 9421) with your request key")
        return None

    def _message(self, request: Request) -> Message:
        headers = MutableHeaders(raw=list(request.headers.raw))
        base = self.settings.public_url
        if base is None:
            return Message(request.method, str(request.url), headers)
        raw: bytes = request.scope["raw_path"]
        query: bytes = request.scope["query_string"]
        target = raw.decode("ascii") + (f"?{query.decode('ascii')}" if query else "")
        return Message(request.method, base.rstrip("/") + target, headers)

    def request_key(self, request: Request, client: bytes) -> bytes:
        """The request's idempotency key, made one with its client and path (32 bytes).

        Refused ``idempotency-key-missing``, MalformedInput.
        """
        lines = request.headers.getlist("idempotency-key")
        if not lines:
            raise Refused("idempotency-key-missing", "send a fresh random string as the key")
        found = _KEY.fullmatch(lines[0].strip())
        if len(lines) != 1 or found is None:
            raise MalformedInput("an Idempotency-Key is one quoted string of 1 to 255 characters")
        parts = (client, request.url.path.encode(), found[1].encode())
        return hashlib.sha256(b"".join(len(p).to_bytes(4, "big") + p for p in parts)).digest()

    @contextlib.contextmanager
    def running(self, key: bytes) -> Iterator[None]:
        """Refused ``idempotency-key-in-use`` while another request has this key."""
        if key in self._keys_in_use:
            raise Refused("idempotency-key-in-use", "a request with this key is running")
        self._keys_in_use.add(key)
        try:
            yield
        finally:
            self._keys_in_use.discard(key)

    async def call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Runs what waits for databases in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.readers, function, *arguments)


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; StateConflict if another service serves it."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(f"no ledger to serve in {folder}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise StateConflict(f"another service serves {folder} already") from None
    finally:
        os.close(lock)


def fingerprint(key: bytes, content: bytes) -> RequestKey:
    """The key together with what it stands for."""
    return RequestKey(key, hashlib.sha256(content).digest())
