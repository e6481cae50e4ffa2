"""Runs the fuzz targets and prints a table; see docs/reliability.md.

Python targets (tests/fuzz) run under Atheris with this interpreter, those of the core
(rust/fuzz) under libFuzzer. What libFuzzer has learnt stays in target/fuzz/corpus, inputs
that break something in target/fuzz/broken, what it said in target/fuzz/log, and every run
in target/fuzz/runs.jsonl, which ``--total`` adds up.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "fuzz"
RUNS = WORK / "runs.jsonl"
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
# The limit of a single input is by the clock, and generous: several targets share a core.
LIMITS = ("-timeout=60", "-rss_limit_mb=3000", "-max_len=16384", "-print_final_stats=1")
_HEADER = f"{'target':<22}{'seconds':>8}{'cpu':>8}{'inputs':>12}{'features':>10}{'broken':>8}"


@dataclass(frozen=True)
class Result:
    """One run: seconds by the clock and of the processor, inputs tried, features covered (edges
    with how often they were taken), inputs that broke something.
    """

    target: str
    seconds: int
    cpu_seconds: int
    inputs: int
    features: int
    broken: int

    def __str__(self) -> str:
        return (
            f"{self.target:<22}{self.seconds:>8}{self.cpu_seconds:>8}{self.inputs:>12}"
            f"{self.features:>10}{self.broken:>8}"
        )


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
    learnt, broken, log = WORK / "corpus" / name, WORK / "broken" / name, WORK / "log" / name
    for folder in (learnt, broken, log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    known = set(broken.iterdir())
    arguments = [*LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={broken}/"]
    python_path = os.pathsep.join([str(ROOT / "python"), os.environ.get("PYTHONPATH", "")])
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *arguments, str(learnt), str(seeds)],
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": python_path, "RAYON_NUM_THREADS": "1"},
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    text = log.read_text(errors="replace")
    if process.returncode:
        print(f"{name}:\n{text[-4000:]}")
    inputs = re.findall(r"stat::number_of_executed_units:\s+(\d+)", text) or ["0"]
    features = re.findall(r" ft: (\d+)", text) or ["0"]
    new = len(set(broken.iterdir()) - known)
    return Result(
        name,
        round(time.monotonic() - started),
        round(used.ru_utime + used.ru_stime),
        int(inputs[-1]),
        int(features[-1]),
        max(new, int(process.returncode != 0)),
    )


def run_all(chosen: dict[str, list[str]], seconds: int, jobs: int) -> list[Result]:
    """Fuzzes ``jobs`` targets at a time, in the order given; prints and notes each result."""
    results = []
    print(_HEADER, flush=True)
    with ThreadPoolExecutor(jobs) as pool, RUNS.open("a") as runs:
        under_way = [pool.submit(run, name, command, seconds) for name, command in chosen.items()]
        for done in as_completed(under_way):
            results.append(done.result())
            print(results[-1], flush=True)
            runs.write(json.dumps(asdict(results[-1])) + "\n")
            runs.flush()
    return results


def total(results: Iterable[Result]) -> list[Result]:
    """All runs of each target as one."""
    runs: dict[str, list[Result]] = {}
    for result in results:
        runs.setdefault(result.target, []).append(result)
    return [
        Result(
            target,
            sum(each.seconds for each in found),
            sum(each.cpu_seconds for each in found),
            sum(each.inputs for each in found),
            max(each.features for each in found),
            sum(each.broken for each in found),
        )
        for target, found in sorted(runs.items())
    ]


def choose(patterns: list[str]) -> dict[str, list[str]]:
    """Targets that fit a pattern, in the order of the patterns."""
    known = targets()
    names = [name for pattern in patterns for name in known if fnmatch(name, pattern)]
    return {name: known[name] for name in dict.fromkeys(names)}


def main() -> int:
    """Exit code 1 if a target broke."""
    parser = argparse.ArgumentParser(description="Fuzz the decoders.")
    parser.add_argument("patterns", nargs="*", default=["*"], help="such as 'rs/*' or py/entry")
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--jobs", type=int, default=1, help="so many targets at a time")
    parser.add_argument("--built", action="store_true", help="take the core's targets as built")
    parser.add_argument("--list", action="store_true", help="only name the targets")
    parser.add_argument("--total", action="store_true", help="only add up all runs so far")
    options = parser.parse_args()
    chosen = choose(options.patterns)
    if options.list:
        print("\n".join(chosen))
        return 0
    WORK.mkdir(parents=True, exist_ok=True)
    if options.total:
        lines = RUNS.read_text().splitlines() if RUNS.exists() else []
        print("\n".join([_HEADER, *map(str, total(Result(**json.loads(x)) for x in lines))]))
        return 0
    if not options.built and any(name.startswith("rs/") for name in chosen):
        build()
    results = run_all(chosen, options.seconds, options.jobs)
    return int(any(result.broken for result in results))


if __name__ == "__main__":
    sys.exit(main())
