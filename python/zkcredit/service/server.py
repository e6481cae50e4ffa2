"""Running the service: uvicorn with a clean end and no patience for idle connections."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import uvicorn

from zkcredit.errors import StoreError

if TYPE_CHECKING:
    from zkcredit.service.app import Service

_HEAD_TIMEOUT_S = 10.0
"""How long a connection may take to send a request's head."""
_SHUTDOWN_S = 30
_CONNECTIONS_MAX = 2_048


class Server(uvicorn.Server):
    """Ends on SIGINT or SIGTERM after everything that was accepted is answered.

    Connections that start a request and do not finish its head are closed: a client that
    trickles bytes holds nothing. A service that can accept nothing more is ended.
    ``on_ready`` is called once requests are answered.
    """

    def __init__(
        self, config: uvicorn.Config, service: Service, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._service = service
        self._on_ready = on_ready
        self._slow: dict[Any, float] = {}

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Both signals ask for an end; a second one changes nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _end(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts and tells that it has."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Closes slow connections, ends what has failed; called ten times a second."""
        if self._service.failed:
            self.should_exit = True
        now = time.monotonic()
        waiting: dict[Any, float] = {}
        connections: set[Any] = set(self.server_state.connections)
        for connection in connections:
            cycle = connection.cycle
            busy = cycle is not None and not cycle.response_complete
            if busy or connection.timeout_keep_alive_task is not None:
                continue
            waiting[connection] = self._slow.get(connection, now)
        self._slow = waiting
        for connection, since in waiting.items():
            if now - since > _HEAD_TIMEOUT_S:
                connection.transport.close()
        return await super().on_tick(counter)


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address; StoreError if that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio looks at it
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise StoreError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return found


def server_of(
    service: Service,
    *,
    proxies: str | None = None,
    certificate: str | None = None,
    key: str | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> Server:
    """A server, not running yet.

    ``proxies`` are addresses whose X-Forwarded-For and -Proto are believed (``*`` for all),
    ``certificate`` and ``key`` files for TLS.
    """
    config = uvicorn.Config(
        service,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=proxies is not None,
        forwarded_allow_ips=proxies or "",
        limit_concurrency=_CONNECTIONS_MAX,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=_SHUTDOWN_S,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    return Server(config, service, on_ready)


def run(service: Service, server: Server, bound: socket.socket) -> None:
    """Serves until a signal asks for an end.

    Raises what kept the service from starting, or made it end.
    """
    logger = logging.getLogger("uvicorn")
    logger.addHandler(logging.NullHandler())  # the service has a log of its own
    logger.propagate = False
    try:
        asyncio.run(server.serve(sockets=[bound]))
    except SystemExit:
        raise service.failure or StoreError("the service did not start") from None
    if service.failure is not None:
        raise service.failure
