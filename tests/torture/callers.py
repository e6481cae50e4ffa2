"""Clients of a service that dies now and then: each request goes out until it is answered.

The same bytes under the same Idempotency-Key, over and over, to any of the services; and
requests answered before are sent again, which must change nothing. Several callers spend
the same tokens.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx
from ledgerkit import World, tag

from zkcredit import digests
from zkcredit.entries import Statement, Submission
from zkcredit.errors import MalformedInput, ZkCreditError
from zkcredit.ledger.note import Checkpoint, VerifierKey
from zkcredit.service import wire
from zkcredit.service.problems import KINDS, Problem

SPENT = ("already-spent",)
"""What may rightly become of a statement besides a place on the log."""
BATCH = 6
_PAUSE_S = 0.05
_TIMEOUT_S = 30.0

Result: TypeAlias = tuple[Any, ...]
"""(index, time, hash of the statement) of what was accepted, (rule,) of what was refused."""


@dataclass
class Request:
    """A request, what it submits, and how it was answered first."""

    key: str
    statements: list[Statement]
    path: str
    media_type: str
    content: bytes
    results: list[Result] | None = None


class Caller(threading.Thread):
    """Submits to the services at ``urls`` until ``stop`` is set; then finishes its request."""

    def __init__(
        self, urls: Sequence[str], name: str, world: World, log_keys: Sequence[VerifierKey]
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.urls = urls
        self.heads: list[Checkpoint] = []
        self.stop = threading.Event()
        self.answered: list[Request] = []
        self.losses: list[str] = []
        self.repeated = 0
        self._world = world
        self._log_keys = log_keys
        self._chance = random.Random(name)
        self._http = httpx.Client(timeout=_TIMEOUT_S)

    def run(self) -> None:
        """One request after the other."""
        number = 0
        with self._http:
            while not self.stop.is_set():
                number += 1
                request = self._request(number)
                request.results = self._insist(request)
                self._judge(request)
                self.answered.append(request)
                if self._chance.random() < 0.4:
                    self._repeat(self._chance.choice(self.answered))
                if number == 1 or self._chance.random() < 0.3:
                    self._look()
                if self._chance.random() < 0.1:
                    self._reuse(self._chance.choice(self.answered))

    def repeat_all(self) -> None:
        """Sends every request again."""
        with httpx.Client(timeout=_TIMEOUT_S) as self._http:
            for request in self.answered:
                self._repeat(request)

    def _request(self, number: int) -> Request:
        """A batch now and then; every third statement spends a token that all callers spend."""
        numbers = range(number * BATCH, number * BATCH + (BATCH if number % 4 == 0 else 1))
        statements: list[Statement] = []
        for each in numbers:
            if each % 3:
                statements.append(self._world.refresh((self.name, each)))
            else:
                token = tag(("token", each))
                statements.append(self._world.spend((self.name, each), nullifier=token))
        submissions = [self._world.prove(item) for item in statements]
        return _request_of(f"{self.name}-{number}", statements, submissions)

    def _insist(self, request: Request) -> list[Result]:
        """The answer, asked for until there is one."""
        while True:
            try:
                found = self._ask(request)
            except httpx.HTTPError:
                found = None
            if found is not None:
                return found
            time.sleep(_PAUSE_S)

    def _ask(self, request: Request) -> list[Result] | None:
        """The results of one attempt, None for an answer that may be another one later."""
        answer = self._http.post(
            self._chance.choice(self.urls) + request.path,
            content=request.content,
            headers={"Content-Type": request.media_type, "Idempotency-Key": f'"{request.key}"'},
        )
        try:
            if answer.status_code in (200, 201) and request.media_type == wire.SUBMISSION:
                return [_accepted(wire.decode(answer.content, wire.Accepted))]
            if answer.status_code == 200:
                body = wire.decode(answer.content, wire.BatchResults)
                found = [_one(result) for result in body.results]
                return None if any(result is None for result in found) else found
            refused = _refused(wire.decode(answer.content, Problem))
        except MalformedInput as error:
            self.losses.append(f"{request.key}: {answer.status_code}: {error}")
            return []
        return None if refused is None else [refused] * len(request.statements)

    def _judge(self, request: Request) -> None:
        assert request.results is not None
        if len(request.results) != len(request.statements):
            self.losses.append(f"{request.key}: {len(request.results)} results")
        for statement, result in zip(request.statements, request.results, strict=False):
            own = digests.statement_hash(statement.encode()).hex()
            if result != SPENT and result[-1] != own:
                self.losses.append(f"{request.key}: answered {result}")

    def _repeat(self, request: Request) -> None:
        again = self._insist(request)
        self.repeated += 1
        if again != request.results:
            self.losses.append(f"{request.key}: answered {request.results}, later {again}")

    def _look(self) -> None:
        """Notes the signed head that a service shows, if one shows any."""
        try:
            answer = self._http.get(self._chance.choice(self.urls) + "/checkpoint")
        except httpx.HTTPError:
            return
        if answer.status_code == 200:
            try:
                self.heads.append(Checkpoint.open(answer.text, *self._log_keys))
            except ZkCreditError as error:
                self.losses.append(f"{answer.text}: {error}")

    def _reuse(self, request: Request) -> None:
        """The key of an accepted statement, with another one."""
        assert request.results is not None
        if SPENT in request.results:
            return
        other = self._world.refresh((self.name, "other", request.key))
        found = _request_of(request.key, [other], [self._world.prove(other)])
        if len(request.statements) > 1:
            found = _request_of(request.key, [other] * 2, [self._world.prove(other)] * 2)
        if {result[0] for result in self._insist(found)} != {"idempotency-key-reused"}:
            self.losses.append(f"{request.key}: the key was taken for another statement")


def _request_of(
    key: str, statements: list[Statement], submissions: Sequence[Submission]
) -> Request:
    if len(submissions) == 1:
        content = submissions[0].encode()
        return Request(key, statements, "/v1/entries", wire.SUBMISSION, content)
    return Request(key, statements, "/v1/batches", wire.BATCH, wire.encode_batch(submissions))


def _accepted(body: wire.Accepted) -> Result:
    return body.index, body.timestamp_ms, body.statement_hash


def _one(found: wire.BatchResult) -> Result | None:
    if found.accepted is not None:
        return _accepted(found.accepted)
    return None if found.problem is None else _refused(found.problem)


def _refused(found: Problem) -> Result | None:
    """The rule that refuses, None for what may pass."""
    kind = KINDS.get(found.name)
    if kind is not None and kind.retry_after_s is not None:
        return None
    return (found.rule or found.name,)
