"""Writes benches/PEERS.md and its plots from the figures of one run of `make bench-peers`.

    python benches/python/peers_report.py FOLDER

The folder holds figures.json, written by benches/peers, figures.jsonl, written by
benches/python/bench_*.py, and the commit that was built, followed by what differs from it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import tomllib
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import peers_plots
import peers_text
import race
from peers_figures import Figures

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "benches" / "PEERS.md"
PLOTS = ROOT / "benches" / "peers"

CRATES = [
    "anonymous-credit-tokens",
    "bbs_plus",
    "bulletproofs",
    "bulletproofs_plus_plus",
    "tari_bulletproofs_plus",
    "zkryptium",
    "ark-bls12-381",
    "blst",
    "curve25519-dalek",
]
PACKAGES = [
    "anoncreds",
    "blake3",
    "blspy",
    "chia_rs",
    "milagro-bls-binding",
    "py_arkworks_bls12381",
    "py_ecc",
    "ursa-bbs-signatures",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    figures = Figures.read(folder / "figures.json")
    lines = [json.loads(line) for line in _lines(folder / "figures.jsonl")]
    commit, *changes = _lines(folder / "commit")
    peers_plots.batch(figures, PLOTS / "batch.svg")
    peers_plots.sizes(figures, PLOTS / "sizes.svg")
    sections = _sections(figures, lines, f"`{commit}`{', changed' if changes else ''}")
    REPORT.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    print(f"wrote {REPORT.relative_to(ROOT)} and two plots beside it")


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def _sections(figures: Figures, lines: list[dict[str, object]], commit: str) -> Iterable[str]:
    yield peers_text.HEAD
    yield _machine(commit)
    yield peers_text.METHOD
    yield peers_text.RANGE
    for bits in (64, 32):
        yield _race(figures, "range", bits, peers_text.RANGE_WORKS, peers_text.RANGE_NOTES)
    yield peers_text.SPEND
    yield _race(figures, "spend", 32, peers_text.SPEND_WORKS, peers_text.SPEND_NOTES)
    yield peers_text.BBS
    yield _race(figures, "bbs", 10, peers_text.BBS_WORKS, peers_text.BBS_NOTES)
    yield peers_text.BATCH
    yield _batches(figures)
    yield peers_text.CURVES
    for table, heading in (("range", "bits"), ("buckets", "K"), ("attributes", "M")):
        yield _curve(figures, table, heading)
    yield peers_text.PYTHON
    for bench, (title, note) in peers_text.BENCHES.items():
        yield f"### {title}\n\n{note}"
        yield _python([line for line in lines if line["bench"] == bench])


def _machine(commit: str) -> str:
    lock = tomllib.loads((PLOTS / "Cargo.lock").read_text("utf-8"))
    locked: dict[str, list[str]] = {}
    for package in lock["package"]:
        locked.setdefault(package["name"], []).append(package["version"])
    crates = ", ".join(f"{name} {' and '.join(locked[name])}" for name in CRATES)
    packages = ", ".join(f"{name} {_installed(name)}" for name in PACKAGES)
    today = dt.datetime.now(dt.UTC).date()
    facts = [
        ("command", "`make bench-peers`"),
        ("date", f"{today}"),
        ("machine", f"{race.machine()}; load at the end {os.getloadavg()[0]:.1f}"),
        ("commit", commit),
        ("compiler", f"{_rustc()}, profile of the product"),
        ("crates", crates),
        ("packages", packages),
    ]
    return _table(["what", "value"], facts)


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _rustc() -> str:
    return subprocess.run(
        ["rustc", "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()


def _race(
    figures: Figures, table: str, at: int, works: dict[str, str], notes: dict[str, str]
) -> str:
    """A row for each contestant, a column for each work, and ratios to the first row."""
    names = figures.names(table, at)
    rows = []
    for who in names:
        cells = [
            _with_ratio(work, *(figures.get(table, work, at, name) for name in (who, names[0])))
            for work in works
        ]
        rows.append([who, *cells, notes[who]])
    return _table([f"{peers_text.UNITS[table].format(at)}", *works.values(), "differs in"], rows)


def _batches(figures: Figures) -> str:
    works = peers_text.BATCH_LINES
    sizes = sorted({key[2] for key in figures.rows if key[0] == "batch"})
    rows = [
        [
            f"{size:,}",
            *(_number(work, figures.get("batch", work, size, who)) for work, who, _ in works),
        ]
        for size in sizes
    ]
    return _table(["proofs", *(label for _, _, label in works)], rows)


def _curve(figures: Figures, table: str, heading: str) -> str:
    works = peers_text.CURVE_WORKS
    sizes, _ = figures.curve(table, "prove", race.OURS)
    rows = [
        [str(at), *(_number(work, figures.get(table, work, at, race.OURS)) for work in works)]
        for at in sizes
    ]
    return _table([heading, *works.values()], rows)


def _python(lines: list[dict[str, object]]) -> str:
    ours: dict[str, float] = {}
    for line in lines:
        ours.setdefault(str(line["work"]), float(str(line["micros"])))
    rows = [
        [
            str(line["work"]),
            str(line["who"]),
            _number(str(line["work"]), float(str(line["micros"]))),
            f"{float(str(line['micros'])) / ours[str(line['work'])]:.2f}",
        ]
        for line in lines
    ]
    return _table(["work", "who", "µs", "× ours"], rows)


def _with_ratio(work: str, value: float | None, first: float | None) -> str:
    if value is None or first is None:
        return _number(work, value)
    return f"{_number(work, value)} ({value / first:.2f})"


def _number(work: str, value: float | None) -> str:
    """Bytes are whole; times have three digits or more."""
    if value is None:
        return "–"
    if work in peers_text.SIZES or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    marks = ["---:" if heading in _RIGHT else "---" for heading in headings]
    return "\n".join(f"| {' | '.join(row)} |" for row in [headings, marks, *rows])


_RIGHT = {
    *("µs", "× ours", "proofs", "bits", "K", "M"),
    *peers_text.RANGE_WORKS.values(),
    *peers_text.SPEND_WORKS.values(),
    *peers_text.BBS_WORKS.values(),
    *peers_text.CURVE_WORKS.values(),
    *(label for _, _, label in peers_text.BATCH_LINES),
}


if __name__ == "__main__":
    main()
