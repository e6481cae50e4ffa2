"""How much one client may ask: rate by address, length and duration of a body."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request

from zkcredit.errors import MalformedInput, Refused

_ADDRESSES_MAX = 65_536


class TokenBuckets:
    """A bucket of tokens for each address: ``rate`` a second flow in, up to ``burst``.

    A rate of 0 limits nothing. IPv6 clients share the bucket of their /64 network. The
    addresses longest unseen are forgotten beyond 65,536.
    """

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, tokens: int = 1) -> None:
        """Takes tokens; Refused ``rate-limited`` if there are too few."""
        if self._rate <= 0:
            return
        key, now = _network(address), self._clock()
        left, then = self._buckets.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        enough = left >= tokens
        self._buckets[key] = (left - tokens if enough else left, now)
        if len(self._buckets) > _ADDRESSES_MAX:
            self._buckets.popitem(last=False)
        if not enough:
            raise Refused("rate-limited", f"at most {self._rate:g} requests a second are answered")


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


async def read_body(request: Request, limit: int, timeout_s: float) -> bytes:
    """The content of a request of at most ``limit`` bytes.

    Refused ``too-large`` (before anything is read, if Content-Length says so) or
    ``too-slow`` if it has not arrived after ``timeout_s``.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    data = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                data += chunk
                if len(data) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise Refused("too-slow", f"the content must arrive within {timeout_s:g} s") from None
    except ClientDisconnect:
        raise MalformedInput("the content is cut") from None
    return bytes(data)


def _too_large(limit: int) -> Refused:
    return Refused("too-large", f"at most {limit} bytes are taken here")
