"""Ledgers verified a second time: true ones pass, each kind of damage is found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from referenceledger import patched, sealed

from zkcredit.auditor import audit as first_audit
from zkcredit.cli import main
from zkcredit.errors import CallerError, CheckFailed, MalformedInput, StoreError
from zkcredit.reference import Folder, Memory, audit, auditing
from zkcredit.reference.records import Entry
from zkcredit.reference.source import Row

PYTHON = Path(__file__).parents[2] / "python"


def memory(folder: Folder, rows: list[Row] | None = None) -> Memory:
    return Memory(folder.genesis, list(folder.rows()) if rows is None else rows)


def kinds(folder: Folder) -> list[str]:
    return [Entry.decode(row[0]).kind for row in folder.rows()]


@pytest.mark.timeout(600)
def test_a_true_ledger_passes_both_audits(place: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = audit(place, progress=lambda done, total: seen.append((done, total)))
    files = sorted(path.name for path in place.iterdir())
    assert files == ["checkpoint", "genesis", "ledger.db", "operator.key"]
    expected = first_audit(place)
    for name in (
        "ledger_id",
        "size",
        "root",
        "kinds",
        "checkpoint_size",
        "claims_settled",
        "attachments_missing",
    ):
        assert getattr(report, name) == getattr(expected, name), name
    assert report.unanswered == expected.unanswered == 1
    assert report.verified == report.kinds
    assert len(report.kinds) == 15
    assert report.attachments_missing == 1
    assert seen == [(n + 1, report.size) for n in range(report.size)]


def test_a_sample_verifies_that_many(place: Path) -> None:
    report = audit(place, sample=2)
    assert report.entries_verified == 2
    assert sum(report.kinds.values()) == report.size
    assert audit(place, sample=0).entries_verified == 0
    with pytest.raises(CallerError):
        audit(place, sample=-1)


@pytest.mark.timeout(300)
def test_it_needs_neither_the_extension_nor_the_ledger_modules(place: Path) -> None:
    """Whole modules are missing, and a purchase, its reply and a registration still verify."""
    code = """
import sys
import zkcredit
for name in ("_native", "codec", "entries", "digests", "relations", "terms", "ledger", "auditor",
             "tokens", "money", "messages", "sealing", "keys", "credentials"):
    sys.modules["zkcredit." + name] = None
from zkcredit.reference import audit, auditing
auditing._choose = lambda size, sample: {0, 5, size - 1}
print(sorted(audit(sys.argv[1]).verified))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)],
        env={**os.environ, "PYTHONPATH": str(PYTHON)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "['issuer', 'settle', 'spend']\n"


def test_no_module_of_the_reference_names_another_of_the_package() -> None:
    for path in (PYTHON / "zkcredit" / "reference").glob("*.py"):
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] in (["from"], ["import"]) and "zkcredit" in line:
                allowed = ("zkcredit.errors", "zkcredit.reference")
                assert words[1].startswith(allowed), f"{path.name}: {line}"


# --- damage ----------------------------------------------------------------------------


def proof_changed(row: Row, place: int) -> Row:
    """Another evidence, with the hash in the entry that belongs to it."""
    data, evidence, memo, _ = row
    assert evidence is not None
    assert memo is not None
    return sealed(data, patched(evidence, place), memo)


def memo_changed(row: Row) -> Row:
    data, evidence, memo, _ = row
    assert evidence is not None
    assert memo is not None
    return sealed(data, evidence, patched(memo, 5))


def reply_changed(row: Row) -> Row:
    assert row[3] is not None
    return row[0], row[1], row[2], patched(row[3], -1)


CHANGES: dict[str, tuple[str, Callable[[Row], Row]]] = {
    "possession": ("issuer", lambda row: proof_changed(row, 95)),
    "registration": ("merchant", lambda row: proof_changed(row, 191)),
    "countersignature": ("terms", lambda row: proof_changed(row, -1)),
    "countersignature of a period": ("period", lambda row: proof_changed(row, -1)),
    "signature of a schema": ("schema", lambda row: proof_changed(row, 95)),
    "countersignature of a credential key": ("credential_key", lambda row: proof_changed(row, -1)),
    "credential key": ("credential_key", lambda row: (patched(row[0], -1), *row[1:])),
    "signature of a revocation list": ("revocations", lambda row: proof_changed(row, 95)),
    "countersignature of records": ("records", lambda row: proof_changed(row, -1)),
    "approval": ("open", lambda row: proof_changed(row, 95)),
    "proof of an opening": ("open", lambda row: proof_changed(row, -1)),
    "proof of a purchase": ("spend", lambda row: proof_changed(row, -1)),
    "memo of a purchase": ("spend", memo_changed),
    "reply to a purchase": ("spend", reply_changed),
    "proof of a refresh": ("refresh", lambda row: proof_changed(row, -40)),
    "reply to a refresh": ("refresh", reply_changed),
    "proof of an update": ("update", lambda row: proof_changed(row, -1)),
    "reply to an update": ("update", reply_changed),
    "proof of a bill": ("statement", lambda row: proof_changed(row, -1)),
    "reply to a bill": ("statement", reply_changed),
    "proof of a settlement": ("settle", lambda row: proof_changed(row, -1)),
    "statement of a purchase": ("spend", lambda row: (patched(row[0], -1), *row[1:])),
    "statement of a settlement": ("settle", lambda row: (patched(row[0], 80), *row[1:])),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CHANGES)
def test_damage_is_found(folder: Folder, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, change = CHANGES[name]
    index = kinds(folder).index(kind)
    rows = list(folder.rows())
    rows[index] = change(rows[index])
    monkeypatch.setattr(auditing, "_choose", lambda _size, _sample: {index})
    with pytest.raises(CheckFailed, match=f"entry {index}[: ]") as failure:
        audit(memory(folder, rows))
    assert failure.value.check == (None if name.startswith("reply") else "void")


def missing(row: Row) -> Row:
    return row[0], None, None, row[3]


CHEAP: dict[str, Callable[[list[Row]], list[Row]]] = {
    "an entry repeated": lambda rows: [*rows, rows[6]],
    "an entry left out": lambda rows: rows[:6] + rows[7:],
    "evidence missing": lambda rows: [*rows[:6], missing(rows[6]), *rows[7:]],
    "evidence changed": lambda rows: [
        *rows[:6], (rows[6][0], patched(rows[6][1] or b"", 9), *rows[6][2:]), *rows[7:],
    ],
    "a reply to a registration": lambda rows: [(*rows[0][:3], b"reply"), *rows[1:]],
    "an entry with a byte more": lambda rows: [(rows[0][0] + b"\0", *rows[0][1:]), *rows[1:]],
}  # fmt: skip


@pytest.mark.parametrize("name", CHEAP)
def test_what_no_sample_misses(folder: Folder, name: str) -> None:
    with pytest.raises(CheckFailed) as failure:
        audit(memory(folder, CHEAP[name](list(folder.rows()))), sample=0)
    if name.startswith("evidence"):
        assert failure.value.check == "withheld"


def test_void_entries_are_listed_and_the_rest_is_read(folder: Folder) -> None:
    """All of them, with what follows from them; what stands is judged as if they were not there."""
    rows = list(folder.rows())
    purchase, settlement = (kinds(folder).index(kind) for kind in ("spend", "settle"))
    data, evidence, memo, _ = rows[purchase]
    rows[purchase] = sealed(data[:1] + bytes(8) + data[9:], evidence or b"", memo or b"")
    with pytest.raises(CheckFailed) as failure:
        audit(memory(folder, rows), sample=0)
    assert failure.value.check == "void"
    assert str(failure.value).startswith("2 entries are void: ")
    for index, rule in ((purchase, "timestamps"), (settlement, "unknown-claim")):
        assert f"entry {index}: " in str(failure.value)
        assert f"[{rule}]" in str(failure.value)
    rows = rows[:settlement] + [rows[settlement], *rows[1:3], rows[purchase]] * 8
    with pytest.raises(CheckFailed, match=r"33 entries are void: .*; …"):
        audit(memory(folder, rows), sample=0)


def test_pins(folder: Folder, place: Path) -> None:
    note, rows = (place / "checkpoint").read_text(), list(folder.rows())
    size, root = folder.size, folder.root
    audit(folder, sample=0, checkpoint=note, genesis=folder.genesis, seen=(size, root))
    lines = note.splitlines(keepends=True)
    for options in (
        {"genesis": patched(folder.genesis, -1)},
        {"seen": (size, bytes(32))},
        {"seen": (size + 1, root)},
        {"checkpoint": note.replace("\n— ", "\nX\n— ")},
        {"checkpoint": "".join(lines[:-1])},  # without the ML-DSA-44 signature
        {"checkpoint": "".join(lines[:-2] + lines[-1:])},  # without the Ed25519 signature
        {"checkpoint": note.replace("\n" + lines[1], "\n1" + lines[1])},
    ):
        with pytest.raises((CheckFailed, MalformedInput)):
            audit(folder, sample=0, **options)  # type: ignore[arg-type]
    rolled_back = Memory(folder.genesis, rows[:4], None, None)
    audit(rolled_back, sample=0)
    with pytest.raises(CheckFailed, match="continue"):
        audit(rolled_back, sample=0, checkpoint=note)
    with pytest.raises(CheckFailed, match="root"):
        audit(Memory(folder.genesis, rows, bytes(32)), sample=0)


def test_folders_that_are_none(tmp_path: Path, place: Path) -> None:
    with pytest.raises(StoreError):
        audit(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(place, copy)
    (copy / "genesis").write_bytes(patched((place / "genesis").read_bytes(), -1))
    with pytest.raises(CheckFailed, match="genesis"):
        audit(copy)
    (copy / "ledger.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError):
        audit(copy)


# --- command line ----------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("ZKCREDIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ZKCREDIT_LEDGER", str(place))

    def command(*arguments: str) -> int:
        return main(["audit", *arguments])

    return command


def test_the_command(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--reference", "--sample", "1", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"]
    assert report["entries_verified"] == 1
    assert run("--reference", "--sample", "0") == 0
    assert "proofs and signatures verified" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [("--sample", "3"), ("--reference", "--totals", "t.json"), ("--sample", "-1")]
)
def test_options_that_do_not_go_together(
    run: Callable[..., int], arguments: tuple[str, ...], tmp_path: Path
) -> None:
    assert run(*arguments) == 2
