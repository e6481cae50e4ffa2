"""Runs the fuzz targets one after the other and prints a table; see docs/reliability.md.

Python targets (tests/fuzz) run under Atheris with this interpreter, those of the core
(rust/fuzz) under libFuzzer. What libFuzzer has learnt stays in target/fuzz/corpus, inputs
that break something in target/fuzz/broken.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "fuzz"
CORE, PYTHON = ROOT / "rust" / "fuzz", ROOT / "tests" / "fuzz"
COVERAGE = (
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
)
"""Coverage for libFuzzer with the stable compiler: the pass is LLVM's own."""
LIMITS = ("-timeout=20", "-rss_limit_mb=3000", "-max_len=16384", "-print_final_stats=1")


@dataclass(frozen=True)
class Result:
    """One target: seconds and inputs tried, features covered, inputs that broke something."""

    target: str
    seconds: int
    inputs: int
    features: int
    broken: int


def host() -> str:
    """This machine's target triple. Named to cargo, it keeps build scripts uninstrumented."""
    command = ["rustc", "-vV"]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    found = re.search(r"^host: (\S+)$", told.stdout, re.MULTILINE)
    assert found is not None
    return found[1]


def targets() -> dict[str, list[str]]:
    """The command of every target by its name, ``py/…`` or ``rs/…``."""
    python = [sys.executable, str(PYTHON / "fuzz.py")]
    found = {f"py/{p.name}": [*python, p.name] for p in sorted((PYTHON / "corpus").iterdir())}
    release = WORK / "cargo" / host() / "release"
    for path in sorted((CORE / "targets").glob("*.rs")):
        found[f"rs/{path.stem}"] = [str(release / path.stem)]
    return found


def build() -> None:
    """Builds the targets of the core."""
    command = ["cargo", "build", "--locked", "--release", "--quiet", "--target", host()]
    paths = ["--manifest-path", str(CORE / "Cargo.toml"), "--target-dir", str(WORK / "cargo")]
    environment = {**os.environ, "RUSTFLAGS": " ".join(COVERAGE)}
    subprocess.run([*command, *paths], check=True, env=environment)


def run(name: str, command: list[str], seconds: int) -> Result:
    """Fuzzes one target; prints what libFuzzer said if something broke."""
    language, target = name.split("/")
    seeds = (PYTHON if language == "py" else CORE) / "corpus" / target
    learnt, broken = WORK / "corpus" / name, WORK / "broken" / name
    for folder in (learnt, broken):
        folder.mkdir(parents=True, exist_ok=True)
    known = set(broken.iterdir())
    arguments = [*LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={broken}/"]
    python_path = os.pathsep.join([str(ROOT / "python"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*command, *arguments, str(learnt), str(seeds)],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONPATH": python_path, "RAYON_NUM_THREADS": "1"},
    )
    text = done.stderr + done.stdout
    new = len(set(broken.iterdir()) - known)
    if done.returncode:
        print(text[-4000:])
    inputs = re.findall(r"stat::number_of_executed_units:\s+(\d+)|Done (\d+) runs", text)
    features = re.findall(r" ft: (\d+)", text)
    count = int(next((a or b for a, b in reversed(inputs)), "0"))
    failed = max(new, int(done.returncode != 0))
    return Result(name, seconds, count, int(features[-1]) if features else 0, failed)


def main() -> int:
    """Exit code 1 if a target broke."""
    parser = argparse.ArgumentParser(description="Fuzz the decoders.")
    parser.add_argument("patterns", nargs="*", default=["*"], help="such as 'rs/*' or py/entry")
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--list", action="store_true", help="only name the targets")
    options = parser.parse_args()
    chosen = {n: c for n, c in targets().items() if any(fnmatch(n, p) for p in options.patterns)}
    if options.list:
        print("\n".join(chosen))
        return 0
    if any(name.startswith("rs/") for name in chosen):
        build()
    results = []
    print(f"{'target':<22}{'seconds':>8}{'inputs':>12}{'features':>10}{'broken':>8}")
    for name, command in chosen.items():
        found = run(name, command, options.seconds)
        results.append(found)
        print(
            f"{name:<22}{found.seconds:>8}{found.inputs:>12}{found.features:>10}{found.broken:>8}",
            flush=True,
        )
    report = json.dumps([asdict(result) for result in results], indent=1)
    (WORK / "report.json").write_text(report + "\n")
    return int(any(result.broken for result in results))


if __name__ == "__main__":
    sys.exit(main())
