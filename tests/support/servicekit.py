"""A service in a thread of the test, and clients that do what real ones do not."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from zkcredit.entries import Submission
from zkcredit.service import wire
from zkcredit.service.app import Service
from zkcredit.service.context import Settings
from zkcredit.service.server import Server, listen, server_of
from zkcredit.service.signatures import Message, RequestSigner
from zkcredit.service.telemetry import Log


@dataclass
class Running:
    """A service that answers at ``url``."""

    url: str
    service: Service
    server: Server
    stream: io.StringIO
    http: httpx.Client
    thread: threading.Thread

    def stop(self) -> None:
        """Ends the service as a signal does."""
        self.server.should_exit = True
        self.thread.join(40)
        assert not self.thread.is_alive()

    @property
    def log(self) -> list[dict[str, Any]]:
        """What was logged so far."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def post(
        self, path: str, content: bytes, media_type: str, key: str | None = "", **headers: str
    ) -> httpx.Response:
        """A POST; ``key`` is the idempotency key, fresh if empty, none if None."""
        sent = {"Content-Type": media_type, **headers}
        if key is not None:
            sent["Idempotency-Key"] = f'"{key or secrets.token_hex(8)}"'
        return self.http.post(path, content=content, headers=sent)

    def submit(self, submission: Submission, key: str | None = "") -> httpx.Response:
        return self.post("/v1/entries", submission.encode(), wire.SUBMISSION, key)

    def submit_many(self, submissions: list[Submission], key: str | None = "") -> httpx.Response:
        return self.post("/v1/batches", wire.encode_batch(submissions), wire.BATCH, key)

    def signed(
        self, path: str, content: bytes, media_type: str, signer: RequestSigner, **changes: Any
    ) -> httpx.Request:
        """A signed request, not sent; ``changes`` replace headers after signing."""
        headers = {"Content-Type": media_type, "Idempotency-Key": f'"{secrets.token_hex(8)}"'}
        request = self.http.build_request("POST", path, content=content, headers=headers)
        signer.sign(Message("POST", str(request.url), request.headers), content)
        request.headers.update(changes)
        return request


@contextmanager
def serving(folder: Path, settings: Settings | None = None, port: int = 0) -> Iterator[Running]:
    """Serves a ledger folder in a thread until the block ends."""
    stream = io.StringIO()
    service = Service(folder, settings or Settings(rate=0, interval_s=0.2), Log(stream))
    ready = threading.Event()
    server = server_of(service, on_ready=ready.set)
    with listen("127.0.0.1", port) as bound:
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        thread = threading.Thread(target=partial(_run, server, bound))
        with httpx.Client(base_url=url, timeout=30) as http:
            running = Running(url, service, server, stream, http, thread)
            thread.start()
            try:
                while not ready.wait(0.05) and thread.is_alive():
                    pass
                if service.failure is not None:
                    raise service.failure
                yield running
            finally:
                running.stop()


def _run(server: Server, bound: socket.socket) -> None:
    with suppress(SystemExit):  # the service could not start, and says why
        asyncio.run(server.serve(sockets=[bound]))


def raw(url: str, data: bytes, timeout_s: float = 10) -> bytes:
    """What the service answers to these bytes until it closes the connection."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
        connection.sendall(data)
        found = b""
        while part := connection.recv(65_536):
            found += part
    return found
