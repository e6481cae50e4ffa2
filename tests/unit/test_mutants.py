"""The driver of the mutation test, on small trees of its own, and on this tree's mutants."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

import mutants

ROOT = Path(__file__).parents[2]

RULES = """\
def allowed(amount: int, limit: int) -> bool:
    return amount > 0 and amount <= limit
"""
RULES_TEST = """\
from zkcredit.rules import allowed

def test_limit():
    assert allowed(3, 3) and not allowed(4, 3)
"""
LIMIT = """
[[mutant]]
id = "rules.limit"
rule = "nothing above the limit"
file = "python/zkcredit/rules.py"
search = " and amount <= limit"
replace = ""
test = "pytest tests/test_rules.py"
"""
CIRCUIT = """\
name = "toy"
parameters = ["K"]

[[secret]]
name = "a"

# Comments belong to the block before them.
[[range]]
id = "toy.positive"
value = "a - 1"
reason = "not zero"

[[equation]]
id = "toy.sum"
zero = \"\"\"
a - b
\"\"\"
"""

# Stands in for cargo: does not compile while a source holds "broken", is red while
# the rule is missing, and names a test binary that looks for both circuit blocks.
FAKE_CARGO = """\
#!/usr/bin/env bash
echo "$*" >>"$CARGO_LOG"
if grep -q broken rust/core/src/lib.rs; then echo "error: it does not compile" >&2; exit 101; fi
case "$*" in
  *message-format=json*)
    printf '{"executable":"%s","target":{"name":"circuit_negatives"}}\\n' "$NEGATIVES_BINARY" ;;
  *--no-run*) ;;
  *nothing*) echo "test result: ok. 0 passed; 0 failed" ;;
  *) grep -q rule rust/core/src/lib.rs || exit 101; echo "test result: ok. 1 passed; 0 failed" ;;
esac
"""
FAKE_NEGATIVES = """\
#!/usr/bin/env bash
cd ../.. && grep -q toy.positive circuits/toy.toml && echo "test result: ok. 1 passed; 0 failed"
"""


def write(path: Path, text: str, *, executable: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if executable:
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    write(root / "pyproject.toml", "[tool.pytest.ini_options]\n")
    write(root / "python/zkcredit/__init__.py", "")
    write(root / "python/zkcredit/rules.py", RULES)
    write(root / "tests/test_rules.py", RULES_TEST)
    write(root / "tests/mutants/rules.toml", LIMIT)
    return root


@pytest.fixture
def rust_tree(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tree / "tests/mutants/rules.toml").unlink()
    write(tree / "rust/core/src/lib.rs", "// rule\n")
    write(tree / "circuits/toy.toml", CIRCUIT)
    write(tmp_path / "bin/cargo", FAKE_CARGO, executable=True)
    write(tmp_path / "bin/negatives", FAKE_NEGATIVES, executable=True)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CARGO_LOG", str(tmp_path / "cargo.log"))
    monkeypatch.setenv("NEGATIVES_BINARY", str(tmp_path / "bin/negatives"))
    return tree


def run(root: Path, *arguments: str) -> int:
    return mutants.main(
        ["--root", str(root), "--scratch", str(root.parent / "scratch"), *arguments]
    )


def rust_mutant(name: str, replace: str) -> str:
    return (
        f'[[mutant]]\nid = "{name}"\nrule = "r"\nfile = "rust/core/src/lib.rs"\n'
        f'search = "rule"\nreplace = "{replace}"\ntest = "cargo test -p zkcredit-core -- one"\n'
    )


def rows(output: str) -> dict[str, str]:
    """Verdict by id, from the printed table."""
    verdicts = (mutants.KILLED, mutants.SURVIVED, mutants.BROKEN)
    table = output.split("not killed:", maxsplit=1)[0]
    split = [line.split() for line in table.splitlines()]
    return {words[3]: words[0] for words in split if words and words[0] in verdicts}


def test_a_mutant_that_the_tests_notice_is_killed(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tree) == 0
    output = capsys.readouterr().out
    assert rows(output) == {"rules.limit": "killed"}
    assert output.endswith("1 passed, 0 failed\n")
    assert (tree / "python/zkcredit/rules.py").read_text() == RULES


def test_a_mutant_that_nobody_notices_fails_the_run(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unseen = LIMIT.replace(" and amount <= limit", "amount > 0 and ").replace(".limit", ".positive")
    write(tree / "tests/mutants/unseen.toml", unseen)
    assert run(tree) == 1
    output = capsys.readouterr().out
    assert rows(output) == {"rules.limit": "killed", "rules.positive": "SURVIVED"}
    assert output.endswith("1 passed, 1 failed\n")


def test_tests_that_are_red_beforehand_prove_nothing(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tree / "tests/test_rules.py", RULES_TEST.replace("allowed(3, 3)", "allowed(9, 3)"))
    assert run(tree) == 1
    output = capsys.readouterr().out
    assert rows(output) == {"rules.limit": "BROKEN"}
    assert "not green on the unchanged tree" in output


def test_tests_that_cannot_be_collected_prove_nothing(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = LIMIT.replace(" and amount <= limit", RULES.splitlines()[0]).replace(
        'replace = ""', 'replace = "def forbidden(amount: int, limit: int) -> bool:"'
    )
    write(tree / "tests/mutants/rules.toml", gone)
    assert run(tree) == 1
    assert rows(capsys.readouterr().out) == {"rules.limit": "BROKEN"}


def test_a_test_command_without_tests_proves_nothing(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    none = LIMIT.replace("tests/test_rules.py", "tests/test_rules.py -k nothing")
    write(tree / "tests/mutants/rules.toml", none)
    assert run(tree) == 1
    assert rows(capsys.readouterr().out) == {"rules.limit": "BROKEN"}


def test_tests_that_do_not_end_are_stopped(tree: Path) -> None:
    scratch = mutants.Scratch.make(tree, tree.parent / "scratch")
    scratch.timeout_s = 0.2
    with pytest.raises(mutants.MutantError, match="no end after"):
        scratch.call(["bash", "-c", "sleep 60 & wait"])


def test_rust_mutants_are_killed_survive_or_do_not_compile(
    rust_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (rust_tree / "circuits/toy.toml").unlink()
    texts = [
        rust_mutant("r.killed", "gone"),
        rust_mutant("r.survives", "the rule"),
        rust_mutant("r.no-code", "broken"),
    ]
    write(rust_tree / "tests/mutants/r.toml", "\n".join(texts))
    assert run(rust_tree) == 1
    output = capsys.readouterr().out
    assert rows(output) == {"r.killed": "killed", "r.survives": "SURVIVED", "r.no-code": "BROKEN"}
    assert "does not compile: error: it does not compile" in output
    log = (tmp_path / "cargo.log").read_text().splitlines()
    assert log[0] == "test --locked --quiet --no-run -p zkcredit-core"
    assert log[1] == "test --locked --quiet -p zkcredit-core -- one"


def test_a_filter_that_matches_no_rust_test_proves_nothing(
    rust_tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = rust_mutant("r.idle", "gone").replace("-- one", "nothing")
    write(rust_tree / "tests/mutants/r.toml", text)
    assert run(rust_tree, "r.*") == 1
    output = capsys.readouterr().out
    assert rows(output) == {"r.idle": "BROKEN"}
    assert "no test was run" in output


def test_circuit_blocks_are_dropped_one_by_one(
    rust_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(rust_tree) == 1
    output = capsys.readouterr().out
    assert rows(output) == {"circuit.toy.positive": "killed", "circuit.toy.sum": "SURVIVED"}
    assert len((tmp_path / "cargo.log").read_text().splitlines()) == 1


def test_patterns_choose_mutants(rust_tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(rust_tree, "circuit.*.positive") == 0
    assert rows(capsys.readouterr().out) == {"circuit.toy.positive": "killed"}


def test_blocks_of_a_circuit() -> None:
    found = [(block_id, reason) for block_id, reason, _ in mutants.blocks_with_id(CIRCUIT)]
    assert found == [("toy.positive", "not zero"), ("toy.sum", "")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (LIMIT.replace(" and amount <= limit", "amount"), "occurs 3 times"),
        (LIMIT.replace(" and amount <= limit", "balance"), "occurs 0 times"),
        (LIMIT.replace("rules.py", "gone.py"), "there is no file"),
        (LIMIT.replace("pytest tests", "make tests"), "not a test command"),
        (LIMIT.replace('replace = ""', 'replace = " and amount <= limit"'), "changes nothing"),
        (LIMIT + LIMIT, "occur twice"),
        (LIMIT.replace("rule =", "reason ="), "exactly the texts"),
        (LIMIT.replace("[[mutant]]", "[[mutants]]"), "only [[mutant]]"),
        (LIMIT + "[[mutant", "mutants: "),
        ("", "0 mutants apply"),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("--check",)])
def test_mutants_that_do_not_apply_fail_the_run(
    tree: Path,
    text: str,
    complaint: str,
    arguments: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tree / "tests/mutants/rules.toml", text)
    assert run(tree, *arguments) == 1
    said = capsys.readouterr()
    assert complaint in said.out + said.err
    assert not (tree.parent / "scratch").exists()


def test_every_mutant_of_this_tree_still_applies() -> None:
    assert mutants.check_applicable(ROOT, mutants.all_mutants(ROOT)) == []
