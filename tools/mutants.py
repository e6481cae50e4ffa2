"""Mutation test of the soundness rules: take one away, and the tests must go red.

A mutant removes one rule from the code, or one constraint from a circuit. It is
applied to a scratch copy of the tree, the tests named for it run there, and it is
*killed* when they fail. `make mutants` fails when a mutant survives.

Hand-written mutants stand in ``tests/mutants/*.toml``::

    [[mutant]]
    id = "bbs.one-serial-tweak"           # unique; dots and dashes
    rule = "the signer adds its own tweak to the serial"
    file = "rust/core/src/bbs/issue.rs"   # from the root of the tree
    search = "commitment + tweak_term"    # stands in the file exactly once
    replace = "commitment"
    test = "cargo test -p zkcredit-core --test bbs"   # or "pytest -x tests/unit/…"

Circuit mutants are generated: one for each ``[[block]]`` with an ``id`` in
``circuits/*.toml``, which is dropped; the test binary ``circuit_negatives`` of the
core crate, which reads the circuits from disk, must then fail.

A red that proves nothing does not count: every test command first has to be green
on the unchanged copy, and a mutant that does not compile, or whose tests cannot be
collected or run too long, is *broken*, which fails the run as well.
"""

from __future__ import annotations

import argparse
import fnmatch
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEYS = {"id", "rule", "file", "search", "replace", "test"}
NEGATIVES = "cargo test -p zkcredit-core --test circuit_negatives"
TIMEOUT_S = 600
COPIED = ("Cargo.toml", "Cargo.lock", "clippy.toml", "pyproject.toml", "CHANGELOG.md", "README.md")
COPIED_FOLDERS = ("rust", "circuits", "python", "tests", "tools", "requirements", "docs", "benches")
EXTENSION = Path("python/zkcredit/_native.abi3.so")

KILLED, SURVIVED, BROKEN = "killed", "SURVIVED", "BROKEN"


class MutantError(Exception):
    """A mutant that cannot be applied, or a tree in which none can be tried."""


@dataclass(frozen=True)
class Mutant:
    """One rule taken away: ``before`` stands exactly once in ``file`` and becomes ``after``."""

    id: str
    rule: str
    file: str
    before: str
    after: str
    test: str

    def apply(self, text: str) -> str:
        """Return the mutated text; MutantError unless ``before`` occurs exactly once."""
        found = text.count(self.before)
        if found != 1:
            raise MutantError(f"{self.id}: its text occurs {found} times in {self.file}, not once")
        return text.replace(self.before, self.after)


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant, with the seconds it took and a line that says why."""

    mutant: Mutant
    verdict: str
    seconds: float
    note: str = ""


# --- reading mutants -------------------------------------------------------------


def written_mutants(root: Path) -> list[Mutant]:
    """Read the mutants of ``tests/mutants/*.toml``, strictly."""
    mutants: list[Mutant] = []
    for path in sorted((root / "tests/mutants").glob("*.toml")):
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        if document.keys() - {"mutant"}:
            raise MutantError(f"{path.name}: only [[mutant]] tables belong here")
        for entry in document.get("mutant", []):
            if entry.keys() != KEYS or not all(isinstance(v, str) for v in entry.values()):
                raise MutantError(f"{path.name}: a mutant has exactly the texts {sorted(KEYS)}")
            mutants.append(
                Mutant(
                    id=entry["id"],
                    rule=entry["rule"],
                    file=entry["file"],
                    before=entry["search"],
                    after=entry["replace"],
                    test=entry["test"],
                )
            )
    return mutants


_HEADER = re.compile(r"^\[\[?[A-Za-z0-9_.\"-]+\]\]?[ \t]*(?:#.*)?$", re.MULTILINE)


def blocks_with_id(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (id, reason, source text) of each ``[[block]]`` that has an ``id``."""
    starts = [match.start() for match in _HEADER.finditer(text)] + [len(text)]
    for begin, end in itertools.pairwise(starts):
        block = text[begin:end]
        if not block.startswith("[["):
            continue
        ((_, (fields, *_)),) = tomllib.loads(block).items()
        if "id" in fields:
            yield fields["id"], fields.get("reason", ""), block


def circuit_mutants(root: Path) -> list[Mutant]:
    """Make one mutant per circuit block with an id: the block is dropped."""
    mutants: list[Mutant] = []
    for path in sorted((root / "circuits").glob("*.toml")):
        name = path.relative_to(root).as_posix()
        for block_id, reason, block in blocks_with_id(path.read_text(encoding="utf-8")):
            mutants.append(Mutant(f"circuit.{block_id}", reason, name, block, "", NEGATIVES))
    return mutants


def all_mutants(root: Path) -> list[Mutant]:
    """Collect every mutant of the tree; MutantError when two share an id."""
    mutants = written_mutants(root) + circuit_mutants(root)
    ids = [mutant.id for mutant in mutants]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise MutantError(f"ids that occur twice: {', '.join(twice)}")
    return mutants


def check_mutant(root: Path, mutant: Mutant) -> None:
    """Raise MutantError unless the mutant applies to the tree and names a test command."""
    path = root / mutant.file
    if not path.is_file():
        raise MutantError(f"{mutant.id}: there is no file {mutant.file}")
    if mutant.before == mutant.after:
        raise MutantError(f"{mutant.id}: it changes nothing")
    mutant.apply(path.read_text(encoding="utf-8"))
    Command.parse(mutant.test)


def check_applicable(root: Path, mutants: Iterable[Mutant]) -> list[str]:
    """Return a complaint for each mutant that does not apply (any more)."""
    complaints: list[str] = []
    for mutant in mutants:
        try:
            check_mutant(root, mutant)
        except MutantError as error:
            complaints.append(str(error))
    return complaints


# --- running tests in a scratch copy ----------------------------------------------


@dataclass(frozen=True)
class Command:
    """A test command: ``cargo test …`` or ``pytest …``."""

    tool: str
    arguments: tuple[str, ...]

    @staticmethod
    def parse(text: str) -> Command:
        """Read a command line; MutantError when it is neither of the two."""
        words = shlex.split(text)
        if words[:2] == ["cargo", "test"]:
            return Command("cargo", tuple(words[2:]))
        if words[:1] == ["pytest"] and len(words) > 1:
            return Command("pytest", tuple(words[1:]))
        raise MutantError(f"not a test command (cargo test … or pytest …): {text!r}")


@dataclass
class Scratch:
    """A copy of the tree with a build folder of its own, in which mutants are tried."""

    tree: Path
    build: Path
    timeout_s: float = TIMEOUT_S

    @staticmethod
    def make(root: Path, place: Path) -> Scratch:
        """Copy the tree; times of change are now, so that cargo trusts no older build."""
        tree = place / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        skip = shutil.ignore_patterns("__pycache__", ".*")
        for name in COPIED:
            if (root / name).is_file():
                shutil.copyfile(root / name, tree / name)
        for name in COPIED_FOLDERS:
            if (root / name).is_dir():
                shutil.copytree(
                    root / name, tree / name, ignore=skip, copy_function=shutil.copyfile
                )
        return Scratch(tree, place / "build")

    def environment(self) -> dict[str, str]:
        """Return the environment of every command; no bytecode, which could be stale."""
        return os.environ | {
            "CARGO_TARGET_DIR": str(self.build),
            "CARGO_TERM_COLOR": "never",
            "PYO3_PYTHON": sys.executable,
            "PYTHONPATH": str(self.tree / "python"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def call(
        self, words: Sequence[str], cwd: Path | None = None, extra: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the tree; MutantError when it does not end in time."""
        with subprocess.Popen(
            list(words),
            cwd=cwd or self.tree,
            env=self.environment() | dict(extra or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                out, err = process.communicate(timeout=self.timeout_s)
            except BaseException as error:
                os.killpg(process.pid, signal.SIGKILL)  # cargo's children as well
                if isinstance(error, subprocess.TimeoutExpired):
                    raise MutantError(f"no end after {self.timeout_s:.0f} s") from error
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def cargo_is_green(self, arguments: Sequence[str]) -> bool:
        """Run ``cargo test``; MutantError when it does not compile or runs no test."""
        options = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
        built = self.call(["cargo", "test", "--locked", "--quiet", "--no-run", *options])
        if built.returncode != 0:
            raise MutantError(f"does not compile: {gist(built.stderr)}")
        return passed(self.call(["cargo", "test", "--locked", "--quiet", *arguments]))

    def pytest_is_green(self, arguments: Sequence[str]) -> bool:
        """Run pytest; MutantError when tests cannot be collected or there is none."""
        words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *arguments]
        ended = self.call(words)
        if ended.returncode not in (0, 1):
            said = gist(ended.stdout) or gist(ended.stderr)
            raise MutantError(f"pytest could not run ({ended.returncode}): {said}")
        return ended.returncode == 0

    def build_extension(self) -> None:
        """Build the extension from the copy's sources and put it beside the package."""
        built = self.call(["cargo", "build", "--locked", "--quiet", "-p", "zkcredit-py"])
        if built.returncode != 0:
            raise MutantError(f"does not compile: {gist(built.stderr)}")
        for library in (self.build / "debug").glob("lib_native.*"):
            if library.suffix in (".so", ".dylib"):
                target = self.tree / EXTENSION
                target.unlink(missing_ok=True)
                shutil.copyfile(library, target)

    def is_green(self, test: str, *, rebuild: bool) -> bool:
        """Run one test command; ``rebuild`` when Rust or circuits differ from the extension."""
        command = Command.parse(test)
        if command.tool == "cargo":
            return self.cargo_is_green(command.arguments)
        if rebuild:
            self.build_extension()
        return self.pytest_is_green(command.arguments)

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """Hold the mutant in the tree; writing it back also renews the time of change."""
        path = self.tree / mutant.file
        original = path.read_text(encoding="utf-8")
        path.write_text(mutant.apply(original), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(original, encoding="utf-8")


def passed(ended: subprocess.CompletedProcess[str]) -> bool:
    """Whether a Rust test run is green; MutantError when it is green for want of tests."""
    if ended.returncode == 0 and not re.search(r"\b[1-9]\d* passed", ended.stdout):
        raise MutantError("no test was run")
    return ended.returncode == 0


def gist(text: str) -> str:
    """Return the first line of an error, else the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error")]
    return (errors[:1] or lines[-1:] or [""])[0][:160]


def negatives_runner(scratch: Scratch) -> Callable[[], bool]:
    """Build ``circuit_negatives`` once and return a function that runs it.

    The circuits are also embedded in the crate, so that going through cargo would
    compile it again for every dropped block; the test itself reads them from disk.
    """
    arguments = Command.parse(NEGATIVES).arguments
    built = scratch.call(
        ["cargo", "test", "--locked", "--no-run", "--message-format=json", *arguments]
    )
    if built.returncode != 0:
        raise MutantError(f"{NEGATIVES}: does not compile: {gist(built.stderr)}")
    messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    binaries = [
        message["executable"]
        for message in messages
        if message.get("executable") and message["target"]["name"] == "circuit_negatives"
    ]
    if len(binaries) != 1:
        raise MutantError(f"{NEGATIVES}: {len(binaries)} test binaries")
    package = scratch.tree / "rust/core"

    def run() -> bool:
        extra = {"CARGO_MANIFEST_DIR": str(package)}
        return passed(scratch.call([binaries[0], "--quiet"], cwd=package, extra=extra))

    return run


def try_mutant(scratch: Scratch, mutant: Mutant, green: Callable[[], bool]) -> Outcome:
    """Apply one mutant, run its tests and judge."""
    begin = time.monotonic()
    try:
        with scratch.mutated(mutant):
            verdict, note = (SURVIVED, "") if green() else (KILLED, "")
    except MutantError as error:
        verdict, note = BROKEN, str(error)
    return Outcome(mutant, verdict, time.monotonic() - begin, note)


def is_rust(mutant: Mutant) -> bool:
    """Whether the mutant changes what the extension is built from."""
    return not mutant.file.startswith("python/")


def run_mutants(
    scratch: Scratch, mutants: Sequence[Mutant], report: Callable[[Outcome], None]
) -> list[Outcome]:
    """Try all mutants; a test command that is not green beforehand breaks its mutants."""
    outcomes: list[Outcome] = []
    runners: dict[str, Callable[[], bool] | str] = {}
    # Python mutants first: they run on the extension of the unchanged sources.
    for mutant in sorted(mutants, key=is_rust):
        generated = mutant.test == NEGATIVES and mutant.file.startswith("circuits/")
        rebuild = is_rust(mutant) and not generated
        key = f"{'binary' if generated else rebuild} {mutant.test}"
        if key not in runners:
            runners[key] = checked_runner(scratch, mutant.test, generated, rebuild)
        runner = runners[key]
        if isinstance(runner, str):
            outcome = Outcome(mutant, BROKEN, 0.0, runner)
        else:
            outcome = try_mutant(scratch, mutant, runner)
        outcomes.append(outcome)
        report(outcome)
    return outcomes


def checked_runner(
    scratch: Scratch, test: str, generated: bool, rebuild: bool
) -> Callable[[], bool] | str:
    """Return the function that runs a test command, or why it is no use as a judge."""

    def run() -> bool:
        return scratch.is_green(test, rebuild=rebuild)

    print(f"   unchanged: {test}", flush=True)
    try:
        runner = negatives_runner(scratch) if generated else run
        return runner if runner() else f"not green on the unchanged tree: {test}"
    except MutantError as error:
        return str(error)


# --- command line -----------------------------------------------------------------


def print_outcome(outcome: Outcome) -> None:
    """Print one row of the table."""
    mutant = outcome.mutant
    says = outcome.note or mutant.rule
    print(f"{outcome.verdict:<9} {outcome.seconds:6.1f} s  {mutant.id:<44} {says}", flush=True)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="mutants.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("patterns", nargs="*", help="ids to try, with * (default: all)")
    parser.add_argument("--list", action="store_true", help="list the mutants and stop")
    parser.add_argument("--check", action="store_true", help="only check that all still apply")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree (default: this one)")
    parser.add_argument("--scratch", type=Path, help="default: target/mutants in the tree")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the driver; 0 when every mutant was killed, 1 otherwise."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    root: Path = options.root.resolve()
    try:
        mutants = all_mutants(root)
    except (MutantError, tomllib.TOMLDecodeError) as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 1
    patterns = options.patterns or ["*"]
    mutants = [m for m in mutants if any(fnmatch.fnmatch(m.id, p) for p in patterns)]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.id:<44} {mutant.rule}")
        return 0
    complaints = check_applicable(root, mutants)
    for complaint in complaints:
        print(f"mutants: {complaint}", file=sys.stderr)
    if options.check or complaints or not mutants:
        print(f"{len(mutants) - len(complaints)} mutants apply, {len(complaints)} do not")
        return 1 if complaints or not mutants else 0
    scratch = Scratch.make(root, options.scratch or root / "target/mutants")
    outcomes = run_mutants(scratch, mutants, print_outcome)
    failed = [outcome for outcome in outcomes if outcome.verdict != KILLED]
    if failed:
        print("\nnot killed:")
        for outcome in failed:
            print_outcome(outcome)
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
