from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from zkcredit import vault as vault_module
from zkcredit.errors import CallerError, CheckFailed, MalformedInput, StateConflict, StoreError
from zkcredit.vault import TEST_COST, Cost, Vault


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "wallet.vault"
    Vault.create(file, "correct horse", "wallet", b"secret state", TEST_COST).close()
    return file


def test_content_comes_back(path: Path) -> None:
    with Vault.open(path, "correct horse", "wallet") as vault:
        assert vault.data == b"secret state"
        vault.save(b"next state")
    with Vault.open(path, "correct horse", "wallet") as vault:
        assert vault.data == b"next state"
    assert b"state" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_equivalent_unicode_passphrases_open(tmp_path: Path) -> None:
    file = tmp_path / "v"
    Vault.create(file, "café", "wallet", b"x", TEST_COST).close()
    with Vault.open(file, "café", "wallet") as vault:
        assert vault.data == b"x"


def test_wrong_passphrase_is_told_from_damage(path: Path) -> None:
    with pytest.raises(CheckFailed, match="wrong passphrase"):
        Vault.open(path, "incorrect horse", "wallet")


def test_empty_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CallerError):
        Vault.create(tmp_path / "v", "", "wallet", b"", TEST_COST)


def test_another_kind_of_vault_is_refused(path: Path) -> None:
    with pytest.raises(MalformedInput, match="vault of a wallet, not a lender"):
        Vault.open(path, "correct horse", "lender")


def test_every_changed_or_missing_byte_is_noticed(path: Path) -> None:
    good = path.read_bytes()
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1
        path.write_bytes(bad)
        with pytest.raises(MalformedInput):
            Vault.open(path, "correct horse", "wallet")
    for data in (b"", good[:7], good[:20], good[:-1], good + b"\0"):
        path.write_bytes(data)
        with pytest.raises(MalformedInput):
            Vault.open(path, "correct horse", "wallet")


def test_other_version_is_named(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[8] = 2
    path.write_bytes(data)
    with pytest.raises(MalformedInput, match="version 2"):
        Vault.open(path, "correct horse", "wallet")


def test_second_holder_is_refused_in_this_and_another_process(path: Path) -> None:
    code = (
        "import sys\nfrom zkcredit.vault import Vault\n"
        "from zkcredit.errors import StateConflict\n"
        "try:\n    Vault.open(sys.argv[1], 'correct horse', 'wallet')\n"
        "except StateConflict:\n    sys.exit(42)\n"
    )
    root = str(Path(vault_module.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    command = [sys.executable, "-c", code, str(path)]
    with Vault.open(path, "correct horse", "wallet"):
        with pytest.raises(StateConflict, match="in use"):
            Vault.open(path, "correct horse", "wallet")
        assert subprocess.run(command, env=environment, check=False).returncode == 42
    assert subprocess.run(command, env=environment, check=False).returncode == 0


def test_existing_file_is_not_overwritten(path: Path) -> None:
    with pytest.raises(StateConflict, match="exists"):
        Vault.create(path, "other", "wallet", b"", TEST_COST)
    with Vault.open(path, "correct horse", "wallet") as vault:
        assert vault.data == b"secret state"


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Vault.open(tmp_path / "none", "x", "wallet")
    with pytest.raises(StoreError):
        Vault.create(tmp_path / "none" / "v", "x", "wallet", b"", TEST_COST)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_full_disk_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = path.read_bytes()
    with Vault.open(path, "correct horse", "wallet") as vault:
        with monkeypatch.context() as patch:
            patch.setattr(*((os, "fsync", fail) if call == "fsync" else (Path, "replace", fail)))
            with pytest.raises(StoreError, match="No space left"):
                vault.save(b"new")
        assert vault.data == b"secret state"
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["wallet.vault", "wallet.vault.lock"]


def test_closed_vault_cannot_save_and_none_can_be_pickled(path: Path) -> None:
    vault = Vault.open(path, "correct horse", "wallet")
    with pytest.raises(CallerError):
        pickle.dumps(vault)
    assert "correct" not in repr(vault)
    vault.close()
    vault.close()
    with pytest.raises(CallerError):
        vault.save(b"")


@pytest.mark.parametrize("cost", [(7, 1, 1), (64, 0, 1), (64, 1, 0), (1 << 21, 1, 1), (64, 65, 1)])
def test_costs_out_of_range(cost: tuple[int, int, int]) -> None:
    with pytest.raises(CallerError):
        Cost(*cost)
