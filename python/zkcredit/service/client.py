"""HTTP calls to a service: connections, repetition, signatures, problems as errors."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import httpx

from zkcredit.errors import CallerError, MalformedInput, StoreError, ZkCreditError
from zkcredit.ledger.limits import PART_BYTES, file_limit, read_parts
from zkcredit.service import wire
from zkcredit.service.problems import CONTENT_TYPE, Problem, error_of

if TYPE_CHECKING:
    from zkcredit.service.signatures import RequestSigner

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_TRIES = 4
_PAUSE_S = 0.25
_PAUSE_MAX_S = 5.0
_AGAIN = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and whole content of an answer."""

    status: int
    headers: httpx.Headers
    content: bytes


class Client:
    """One service. What may be repeated without harm is tried up to four times.

    Every POST carries an Idempotency-Key, so that a request whose answer was lost can be
    sent again.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(timeout=_TIMEOUT, follow_redirects=False)
        self._make_signer: Callable[[], RequestSigner] | None = None
        self._signer: RequestSigner | None = None
        self._ledger_id = b""

    def close(self) -> None:
        """Closes the connections; safe to repeat."""
        self._http.close()

    def sign_as(self, signer: Callable[[], RequestSigner], ledger_id: bytes) -> None:
        """Signs with this party's key from now on; the signer is made when it is needed."""
        self._make_signer, self._signer, self._ledger_id = signer, None, ledger_id

    # --- reading -----------------------------------------------------------------

    def file(self, name: str) -> bytes | None:
        """A file of the published log, None if it is not there.

        CheckFailed ``too-large`` for more bytes than such a file can have.
        """
        answer = self._send("GET", f"/{name}", limit=file_limit(name))
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        return self._success(answer).content

    def need(self, name: str) -> bytes:
        """A file that every published log has."""
        data = self.file(name)
        if data is None:
            raise StoreError(f"{self.url} has no {name}: it is not a ledger's service")
        return data

    def changed(self, name: str, tag: str) -> tuple[str, bytes] | None:
        """(entity tag, content) of a file, None if it is still that of ``tag``."""
        asked = {"If-None-Match": tag} if tag else {}
        answer = self._send("GET", f"/{name}", asked, limit=file_limit(name))
        if answer.status == HTTPStatus.NOT_MODIFIED:
            return None
        if answer.status == HTTPStatus.NOT_FOUND:
            return "", b""
        return self._success(answer).headers.get("etag", ""), answer.content

    def get(self, path: str, kind: type[_T], query: Mapping[str, int] | None = None) -> _T:
        """A JSON body."""
        asked = "&".join(f"{name}={value}" for name, value in (query or {}).items())
        answer = self._send(
            "GET", f"{path}?{asked}" if asked else path, limit=wire.answer_limit(kind)
        )
        return wire.decode(self._success(answer).content, kind)

    # --- changing ----------------------------------------------------------------

    def post(
        self, path: str, content: bytes, media_type: str, kind: type[_T], *, signed: bool = False
    ) -> _T:
        """Sends content and gives the JSON answer; raises the error that the service tells."""
        headers = {
            "Content-Type": media_type,
            "Idempotency-Key": f'"{secrets.token_urlsafe(24)}"',
        }
        signer = self._own_signer() if signed else None
        answer = self._send("POST", path, headers, content, signer)
        if signer is not None and answer.status == HTTPStatus.UNAUTHORIZED:
            self._bind_key(signer)
            answer = self._send("POST", path, headers, content, signer)
        return wire.decode(self._success(answer).content, kind)

    def _own_signer(self) -> RequestSigner:
        if self._signer is None:
            if self._make_signer is None:
                raise CallerError("only a registered lender, issuer or merchant may send this")
            self._signer = self._make_signer()
        return self._signer

    def _bind_key(self, signer: RequestSigner) -> None:
        from msgspec.json import encode

        binding = signer.binding(self._ledger_id, time.time_ns() // 1_000_000)
        answer = self._send("POST", "/v1/keys", {"Content-Type": wire.JSON}, encode(binding))
        self._success(answer)

    # --- inside ------------------------------------------------------------------

    def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        signer: RequestSigner | None = None,
        *,
        limit: int = wire.ANSWER_MAX_BYTES,
    ) -> Answer:
        pause_s = _PAUSE_S
        for left in reversed(range(_TRIES)):
            request = self._http.build_request(
                method,
                self.url + path,
                headers={"Accept-Encoding": "identity", **(headers or {})},
                content=content or None,
            )
            if signer is not None:
                self._sign(signer, request, content)
            try:
                answer = self._receive(request, limit)
            except httpx.HTTPError as error:
                if not left:
                    why = str(error) or type(error).__name__
                    raise StoreError(f"{self.url} cannot be reached: {why}") from None
            else:
                wait = answer.headers.get("retry-after", "")
                # 409 with a time: the same request, sent before, is still being answered
                busy = answer.status in _AGAIN or (answer.status == HTTPStatus.CONFLICT and wait)
                if not busy or not left:
                    return answer
                pause_s = max(pause_s, _seconds(wait))
            time.sleep(min(pause_s, _PAUSE_MAX_S))
            pause_s *= 2
        raise AssertionError

    def _receive(self, request: httpx.Request, limit: int) -> Answer:
        response = self._http.send(request, stream=True)
        try:  # bytes as they come: what is compressed may be any size unpacked
            announced = response.headers.get("content-length")
            parts = response.iter_raw(PART_BYTES)
            content = read_parts(request.url.path, parts, limit, announced)
        finally:
            response.close()
        return Answer(response.status_code, response.headers, content)

    @staticmethod
    def _sign(signer: RequestSigner, request: httpx.Request, content: bytes) -> None:
        from zkcredit.service.signatures import Message

        message = Message(request.method, str(request.url), request.headers)
        signer.sign(message, content)

    def _success(self, answer: Answer) -> Answer:
        if 200 <= answer.status < 300:
            return answer
        raise self._error(answer)

    def _error(self, answer: Answer) -> ZkCreditError:
        if answer.headers.get("content-type", "").startswith(CONTENT_TYPE):
            try:
                return error_of(wire.decode(answer.content, Problem))
            except MalformedInput:
                pass
        return StoreError(f"{self.url} answers {answer.status}")


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else 0.0
