"""An operator, or a member, that answers without an end: readers stop where the format ends.

Every file of a published log has a longest length, and so has every other answer. What is
longer is refused by name before it is in memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.support.cosignerkit import cosigner_of, publish
from tests.support.ledgerkit import World, stubbed_world

from zkcredit import _native
from zkcredit.cosigner.collect import collect
from zkcredit.cosigner.keys import Role
from zkcredit.entries import ENTRY_MAX_BYTES
from zkcredit.errors import CheckFailed
from zkcredit.ledger import limits
from zkcredit.ledger.note import NOTE_MAX_BYTES
from zkcredit.ledger.quorum import Party, Policy
from zkcredit.ledger.static import StaticSource
from zkcredit.remote import RemoteLedger
from zkcredit.service import wire
from zkcredit.terms import MAX_ATTRIBUTES, MAX_DUE_BUCKETS

_SLACK = 16 << 20
"""What the two ends of a connection may hold on top."""


@dataclass
class Endless:
    """A server of a published folder that does not stop sending ``name`` and below.

    It counts what it could send; with ``announced`` it says beforehand how much will come,
    and with ``pause_s`` it sends a byte now and then.
    """

    name: str = ""
    announced: int | None = None
    pause_s: float = 0
    sent: dict[str, int] = field(default_factory=dict)
    url: str = ""


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, served: Endless, *arguments: Any, **settings: Any) -> None:
        self._served = served
        super().__init__(*arguments, **settings)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""

    def do_GET(self) -> None:
        name = self._served.name
        if not name or not self.path.startswith(f"/{name}"):
            super().do_GET()
            return
        self._pour()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._pour()

    def _pour(self) -> None:
        self._served.sent[self.path] = 0
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        if self._served.announced is not None:
            self.send_header("Content-Length", str(self._served.announced))
        self.end_headers()
        part = b"x" * (1 if self._served.pause_s else 65_536)
        try:
            while self._served.sent[self.path] < 1 << 27:
                self.wfile.write(part)
                self._served.sent[self.path] += len(part)
                time.sleep(self._served.pause_s)
        except OSError:
            self.close_connection = True


@contextmanager
def endless(public: Path) -> Iterator[Endless]:
    served = Endless()
    handler = partial(_Handler, served, directory=str(public))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        served.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


stubbed = pytest.fixture(stubbed_world)


@pytest.fixture
def world(stubbed: World) -> World:
    stubbed.ledger.submit_many([stubbed.prove(stubbed.spend(i)) for i in range(300)])
    return stubbed


@pytest.fixture
def served(world: World, tmp_path: Path) -> Iterator[Endless]:
    publish(world.ledger, tmp_path / "public")
    with endless(tmp_path / "public") as found:
        yield found


FILES = {
    "genesis": limits.GENESIS_MAX_BYTES,
    "checkpoint": NOTE_MAX_BYTES,
    "tile/0": limits.TILE_MAX_BYTES,
    "tile/entries": limits.ENTRY_BUNDLE_MAX_BYTES,
    "evidence": limits.EVIDENCE_BUNDLE_MAX_BYTES,
    "reply": limits.REPLY_BUNDLE_MAX_BYTES,
}


def refused(served: Endless, name: str, limit: int, act: Any) -> None:
    """What comes is too long, and no more of it was read than it could be."""
    served.name = name
    for announced in (None, 1 << 40):
        served.announced, served.sent = announced, {}
        with pytest.raises(CheckFailed) as failure:
            act()
        assert failure.value.check == "too-large"
        assert served.sent, "the answer was asked for"
        assert max(served.sent.values()) < (limit if announced is None else 0) + _SLACK


@pytest.mark.parametrize("name", FILES)
def test_a_cosigner_stops_reading(world: World, served: Endless, tmp_path: Path, name: str) -> None:
    with cosigner_of(world.ledger, tmp_path / "cosigner") as cosigner:
        refused(served, name, FILES[name], lambda: cosigner.follow(StaticSource(served.url)))
        assert (cosigner.mirror.size, cosigner.last_signed()) == (0, None)
        served.name = ""
        assert cosigner.follow(StaticSource(served.url)).head.size == world.ledger.size


@pytest.mark.parametrize("name", [name for name in FILES if name != "reply"])
def test_a_client_stops_reading(served: Endless, name: str) -> None:
    refused(served, name, FILES[name], lambda: RemoteLedger.open(served.url))


def test_other_answers(world: World, served: Endless) -> None:
    with RemoteLedger.open(served.url) as ledger:
        digest = b"\1" * 32
        asked = [
            ("reply", limits.REPLY_BUNDLE_MAX_BYTES, lambda: ledger.reply(299)),
            ("attachments", limits.ATTACHMENT_MAX_BYTES, lambda: ledger.attachment(digest)),
            ("v1/overdue", wire.OVERDUE_MAX_BYTES, lambda: ledger.owed(1)),
            ("v1/issuers", wire.ANSWER_MAX_BYTES, lambda: ledger.unanswered(digest)),
            ("-", wire.ANSWER_MAX_BYTES, lambda: ledger.submit(world.prove(world.spend("x")))),
        ]
        for name, limit, act in asked:
            refused(served, name, limit, act)


def test_files_that_somebody_else_put_there(world: World, tmp_path: Path) -> None:
    """A copied folder is no more trusted than an address."""
    public = tmp_path / "public"
    publish(world.ledger, public)
    (public / "genesis").write_bytes(bytes(limits.GENESIS_MAX_BYTES + 1))
    with pytest.raises(CheckFailed, match="too-large"):
        StaticSource(public)


@pytest.mark.parametrize(("pause_s", "reason"), [(0, "too-large"), (0.05, "too slowly")])
def test_a_member_that_does_not_stop(
    world: World,
    served: Endless,
    tmp_path: Path,
    pause_s: float,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is reported, and holds nobody up."""
    served.pause_s = pause_s
    if pause_s:
        monkeypatch.setattr("zkcredit.cosigner.collect._TIMEOUT_S", 1)
    source = StaticSource(tmp_path / "public")
    with cosigner_of(world.ledger, tmp_path / "cosigner") as cosigner:
        key = cosigner.keys.public(Role.RULES)[0]
    policy = Policy.of_members(world.ledger.genesis.log_keys, [Party("m", key, served.url)])
    found = collect(source, policy)
    assert not found.verdict.is_met
    assert reason in found.failures[served.url]
    assert max(served.sent.values()) < NOTE_MAX_BYTES + _SLACK


def test_no_honest_file_is_too_long() -> None:
    """The longest proof that any terms allow, 256 times."""
    largest = {"K": MAX_DUE_BUCKETS, "M": MAX_ATTRIBUTES, "bits": 64}
    names = ("open", "spend", "refresh", "update", "statement")
    longest = max(_native.builtin_circuit(name, largest).proof_length for name in names)
    assert longest == 80_640, "the constant's text says so"
    beside = 4 + 4 + longest + 96 + 1 + 128
    assert 256 * beside <= limits.EVIDENCE_BUNDLE_MAX_BYTES
    assert 256 * (2 + ENTRY_MAX_BYTES) == limits.ENTRY_BUNDLE_MAX_BYTES


def test_steps_end_where_memory_does(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bundles that are full of bytes are judged one by one; the verdicts are the same."""
    world.ledger.submit_many([world.prove(world.spend(i)) for i in range(300, 900)])
    source = publish(world.ledger, tmp_path / "public")
    stops: dict[int, list[int]] = {}
    for limit in (1, 1 << 30):
        monkeypatch.setattr("zkcredit.cosigner.mirror._STEP_BYTES", limit)
        with cosigner_of(world.ledger, tmp_path / f"cosigner{limit}") as cosigner:
            stops[limit] = []
            cosigner.follow(source, lambda stop, _, to=stops[limit]: to.append(stop))  # type: ignore[misc]
            assert cosigner.mirror.root() == world.ledger.root()
    size = world.ledger.size
    assert stops == {1: [256, 512, 768, size], 1 << 30: [size]}
