"""Two verifiers, one verdict: on entries of every kind, and on changed forms of each.

``ZKCREDIT_DIFFERENTIAL=5000`` tries as many random changes of every entry that carries a
proof, and a 25th of it where each verdict takes pairings (50 and 2 by default).
"""

from __future__ import annotations

import os
import random
import secrets
from collections import Counter
from collections.abc import Callable

import pytest
from referencekit import accepts
from referenceledger import changes, first_verdict, patched, registry_of, second_verdict

from zkcredit.entries import Entry as FirstEntry
from zkcredit.entries import LineStatement
from zkcredit.ledger.replies import verify_replies
from zkcredit.reference import Folder
from zkcredit.reference.evidence import verify_reply
from zkcredit.reference.judging import Judge
from zkcredit.reference.records import KINDS, REGISTRATIONS, Entry, Genesis
from zkcredit.reference.replay import Ledger
from zkcredit.reference.source import Row

RANDOM = int(os.environ.get("ZKCREDIT_DIFFERENTIAL", "50"))
SEED = 0 if RANDOM <= 50 else secrets.randbits(32)


def kind_of(row: Row) -> str:
    return Entry.decode(row[0]).kind


def test_the_ledger_itself(folder: Folder) -> None:
    rows = list(folder.rows())
    assert {kind_of(row) for row in rows} == set(KINDS.values())
    assert first_verdict(folder.genesis, rows, set(range(len(rows)))) == []
    assert second_verdict(folder.genesis, rows, set()) == []


@pytest.mark.timeout(600 + 2 * RANDOM)
@pytest.mark.parametrize("kind", KINDS.values())
def test_changed_entries_are_judged_alike(folder: Folder, kind: str) -> None:
    """The changed entry and what follows from it, with the rule that each void entry breaks."""
    rows = list(folder.rows())
    places = [index for index, row in enumerate(rows) if kind_of(row) == kind]
    slow = kind in REGISTRATIONS or kind == "open"
    count = -(-RANDOM // 25) if slow else RANDOM
    seen: Counter[str] = Counter()
    for index in places:
        others = [rows[other] for other in places if other != index][:1]
        rng = random.Random(f"{kind} {index} {SEED}")
        for number, changed in enumerate(changes(rows[index], others, rng, count)):
            log = [*rows[:index], changed, *rows[index + 1 :]]
            expected = first_verdict(folder.genesis, log, {index})
            found = second_verdict(folder.genesis, log, {index})
            assert found == expected, (SEED, index, number, changed[0].hex())
            seen[found if isinstance(found, str) else dict(found).get(index, "stands")] += 1
    assert seen["withheld"] == 3 * len(places)
    assert seen["malformed"] > 5
    assert seen["bad-signature" if slow else "bad-proof"] > 3, seen


@pytest.mark.timeout(600)
def test_changed_replies_are_judged_alike(folder: Folder) -> None:
    """Public signatures and sealed replies, cut, longer, changed, and those of other entries."""
    rows = list(folder.rows())
    registry, ledger = registry_of(folder.genesis, rows), replayed(folder, rows)
    answered = [row for row in rows if row[3] is not None]
    assert {kind_of(row) for row in answered} == {"open", "spend", "refresh", "update", "statement"}
    verdicts: Counter[bool] = Counter()
    for data, _, _, reply in answered:
        assert reply is not None
        statement, entry = FirstEntry.decode(data).statement, Entry.decode(data)
        assert isinstance(statement, LineStatement)
        rng = random.Random(f"{entry.kind} {SEED}")
        places = [0, 50, len(reply) - 96, -1, *(rng.randrange(len(reply)) for _ in range(2))]
        forms = [b"", reply[:80], reply[:96], reply[:-1], reply + b"\0", bytes(len(reply))]
        forms += [patched(reply, place, 1 << rng.randrange(8)) for place in places]
        forms += [row[3] for row in answered if row[3] not in (None, reply)][:2]
        for form in (reply, *(form for form in forms if form != reply)):
            first: Callable[[], None] = lambda: verify_replies(registry, [(statement, form)])  # noqa: B023, E731
            second: Callable[[], None] = lambda: verify_reply(ledger, entry, form)  # noqa: B023, E731
            expected = accepts(first)
            assert accepts(second) == expected, (entry.kind, form.hex())
            verdicts[expected] += 1
    assert verdicts[True] == len(answered)
    assert verdicts[False] > 10 * len(answered)


def replayed(folder: Folder, rows: list[Row]) -> Ledger:
    """What the reference knows after these rows."""
    genesis = Genesis.decode(folder.genesis)
    judge = Judge(Ledger(genesis.ledger_id), genesis.operator_key)
    for index, (data, evidence, memo, _) in enumerate(rows):
        judge.judge(index, data, evidence, memo, prove=False)
    return judge.ledger
