"""Sums of commitments over a log, compared with the sums that the roles open.

A purchase entry holds V = amount·G_value + rho·H_blind, a billing statement
D = due·G_value + rho_D·H_blind. Whoever knows all openings of a set can hand
over (Σ amount, Σ rho); the point of that sum must be the sum of the points. So
totals are proved, and nobody sees a single amount.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from zkcredit import digests
from zkcredit.codec import GROUP_ORDER
from zkcredit.errors import CheckFailed

_BATCH = 1024


class Row(Protocol):
    """One opened sum, as in :class:`zkcredit.messages.TotalsRow`."""

    @property
    def role(self) -> str:
        """``"merchant"`` (claims) or ``"lender"`` (bills)."""
        ...

    @property
    def issuer_id(self) -> bytes:
        """Issuer whose claims or bills are summed (32 bytes)."""
        ...

    @property
    def asset(self) -> str:
        """Asset, such as a currency."""
        ...

    @property
    def sum_minor(self) -> int:
        """Σ amount or Σ due."""
        ...

    @property
    def sum_rho(self) -> bytes:
        """Σ rho modulo the group order (32 bytes)."""
        ...

    @property
    def indexes(self) -> Sequence[int] | None:
        """The spend entries covered; None: all that no other row names."""
        ...


@dataclass(frozen=True, slots=True)
class TotalCheck:
    """A total that was found to agree with the log; ``entries`` is how many it covers."""

    role: str
    issuer_id: bytes
    asset: str
    sum_minor: int
    entries: int


@dataclass(slots=True)
class _Sum:
    """A running sum of points, added in batches."""

    total: bytes | None = None
    count: int = 0
    waiting: list[bytes] = field(default_factory=list)

    def add(self, point: bytes) -> None:
        self.count += 1
        self.waiting.append(point)
        if len(self.waiting) >= _BATCH:
            self.flush()

    def flush(self) -> bytes | None:
        from zkcredit._native import add_points

        if self.waiting:
            known = [] if self.total is None else [self.total]
            self.total = add_points(known + self.waiting)
            self.waiting.clear()
        return self.total


class Sums:
    """Collects V and D of a log, split as the given rows ask for."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows = list(rows)
        self._groups: dict[tuple[str, bytes, str], _Sum] = {}
        self._named = [_Sum() for _ in self._rows]
        self._row_of: dict[int, int] = {}
        for number, row in enumerate(self._rows):
            for index in row.indexes or ():
                if row.role != "merchant" or index in self._row_of:
                    raise CheckFailed(f"totals name claim {index} twice or as a bill")
                self._row_of[index] = number

    def _add(self, role: str, issuer_id: bytes, asset: str, point: bytes) -> None:
        key = (role, issuer_id, asset)
        if key not in self._groups:
            self._groups[key] = _Sum()
        self._groups[key].add(point)

    def add_claim(self, index: int, issuer_id: bytes, asset: str, claim: bytes) -> None:
        """Takes in V (48 bytes) of the spend entry ``index``."""
        number = self._row_of.get(index)
        if number is None:
            self._add("merchant", issuer_id, asset, claim)
            return
        row = self._rows[number]
        if (row.issuer_id, row.asset) != (issuer_id, asset):
            raise CheckFailed(f"totals name claim {index} under another issuer or asset")
        self._named[number].add(claim)

    def add_bill(self, issuer_id: bytes, asset: str, due: bytes) -> None:
        """Takes in D (48 bytes) of a billing statement."""
        self._add("lender", issuer_id, asset, due)

    def check(self) -> tuple[list[TotalCheck], int, int]:
        """All totals that agree, and how many claims and bills no row covers.

        Raises CheckFailed for the first total that does not agree.
        """
        checks = []
        covered: set[tuple[str, bytes, str]] = set()
        for row, named in zip(self._rows, self._named, strict=True):
            if row.indexes is not None:
                if named.count != len(row.indexes):
                    raise CheckFailed("totals name a claim that is not a purchase on this log")
                checks.append(_compare([row], named))
                continue
            key = (row.role, row.issuer_id, row.asset)
            if key not in covered:
                covered.add(key)
                group = [r for r in self._rows if r.indexes is None and _key(r) == key]
                checks.append(_compare(group, self._groups.get(key, _Sum())))
        missing = {"merchant": 0, "lender": 0}
        for key, found in self._groups.items():
            if key not in covered:
                missing[key[0]] += found.count
        return checks, missing["merchant"], missing["lender"]


def _key(row: Row) -> tuple[str, bytes, str]:
    return row.role, row.issuer_id, row.asset


def _compare(rows: Sequence[Row], found: _Sum) -> TotalCheck:
    """Raises CheckFailed unless the openings of ``rows`` together open the sum of points."""
    from zkcredit._native import commit

    first = rows[0]
    sum_minor = sum(row.sum_minor for row in rows)
    rho = sum(int.from_bytes(row.sum_rho, "big") for row in rows) % GROUP_ORDER
    point = found.flush()
    if sum_minor == 0 and rho == 0:
        agrees = point is None
    else:
        label = digests.value_label(first.issuer_id, first.asset)
        expected = commit([(label, sum_minor), ("blinding", rho.to_bytes(32, "big"))])
        agrees = expected == point
    if not agrees:
        raise CheckFailed(
            f"the {first.role} total of {sum_minor} minor units in {first.asset} does not open "
            f"the sum of {found.count} commitments on the log"
        )
    return TotalCheck(first.role, first.issuer_id, first.asset, sum_minor, found.count)
