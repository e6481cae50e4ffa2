"""The published log, read with the library of Go's checksum database.

Optional: runs where Debian's ``golang-go`` and ``golang-golang-x-mod-dev`` are installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.ledgerkit import Clock, World, stub_engine

from zkcredit.ledger import Operator
from zkcredit.ledger.static import StaticLog

LIBRARY = Path("/usr/share/gocode")
SOURCE = Path(__file__).parents[1] / "support" / "gosumdb" / "main.go"

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        shutil.which("go") is None or not (LIBRARY / "src/golang.org/x/mod/sumdb").is_dir(),
        reason="Debian's golang-go and golang-golang-x-mod-dev are not installed",
    ),
]


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled program."""
    folder = tmp_path_factory.mktemp("go")
    target = folder / "verify"
    environment = os.environ | {
        "GO111MODULE": "off",
        "GOPATH": str(LIBRARY),
        "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "",
    }
    command = ["go", "build", "-o", str(target), str(SOURCE)]
    subprocess.run(command, env=environment, check=True)
    return target


def run(verifier: Path, key: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(verifier), key, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_go_verifies_every_entry(
    verifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub_engine(monkeypatch)
    clock = Clock()
    world = World(Operator.create(tmp_path / "ledger", clock=clock), clock)
    public = tmp_path / "public"
    key = world.ledger.verifier_keys[0].encode()
    for size in (7, 256, 600):
        missing = size - world.ledger.size
        world.ledger.submit_many([world.prove(world.refresh((size, i))) for i in range(missing)])
        StaticLog(world.ledger, public).publish()
        done = run(verifier, key, public)
        assert done.returncode == 0, done.stderr
        assert f"{size} entries verified" in done.stdout
    bundle = public / "tile/entries/001"
    data = bytearray(bundle.read_bytes())
    data[40] ^= 1
    bundle.write_bytes(bytes(data))
    assert run(verifier, key, public).returncode == 1
    other = Operator.create(None).verifier_keys[0].encode()
    assert run(verifier, other, public).returncode == 1
