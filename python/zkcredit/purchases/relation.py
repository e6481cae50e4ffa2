"""What a proof of purchases proves, for any number of purchases at one size.

Each purchase's entry holds C′ (the next token: owner, account and the rest) and V (its
amount). With P = rho·H_0 + owner·H_1 + rho'·H_2 + account·H_3, every C′ − P has neither
owner nor account if and only if C′ has those of P. The random sum Σ w_i·(C′_i − P) shows it for all
of them at once: weights of 128 bits come from the whole ordered set and from all that the
proof shows, P included, so a sum without owner and account can have no summand with them.
Amounts are shown by the same weights, a total by the plain sum of the claims.

Coverage "all" adds the line's billing statements, one for each period: their C′ go into
the same random sum, and the sum of their D opens to the same total. Where K = 1 a bill
holds every purchase of its period, and amounts are positive, so none was left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkcredit.purchases.weights import weighted_points, weighted_scalars

if TYPE_CHECKING:
    from zkcredit._native import Circuit, Scalar
    from zkcredit.purchases.messages import Question

AVERAGE_BITS = 80
"""Width of the difference between the bound of a sum and the sum: 64 bits, 1,024 times."""

_HEAD = """
name = "purchases"
version = 1
parameters = ["K", "M"]

[[secret]]
name = "rho_holder"
meaning = "blinding of the holder's point"

[[secret]]
name = "rho_serial"
meaning = "second blinding of it, in the place of the serial"

[[secret]]
name = "owner"
meaning = "the wallet's one secret"

[[secret]]
name = "account"
meaning = "the lender's number for the line"

[[secret]]
name = "blind"
meaning = "weighted sum of the blindings"

[[secret]]
name = "no_owner"
meaning = "weighted sum of the differences of owners: zero"

[[secret]]
name = "no_account"
meaning = "weighted sum of the differences of accounts: zero"

[[secret]]
name = "serial"
meaning = "weighted sum of the serials, before the signer's tweak"

[[secret]]
name = "available"
meaning = "weighted sum of the credits left"

[[secret]]
name = "due"
size = "K"
meaning = "weighted sums of the due buckets"

[[secret]]
name = "attr"
size = "M"
meaning = "weighted sums of the attributes"

[[commitment]]
id = "purchases.holder"
point = "holder"
messages = ["rho_holder", "owner", "rho_serial", "account"]
subgroup = true
reason = "the point fixes owner and account before the weights are known"

[[commitment]]
id = "purchases.rest"
point = "rest"
messages = ["blind", "no_owner", "serial", "no_account", "available", "due", "attr"]
subgroup = true
reason = "the entries' commitments, less the holder's point, weighted and added"

[[constraint]]
id = "purchases.same-owner"
assert = "no_owner == 0"
reason = "an entry of another owner would leave a rest"

[[constraint]]
id = "purchases.same-account"
assert = "no_account == 0"
reason = "an entry of another line would leave a rest"
"""
_PSEUDONYM = """
[[label]]
name = "context"
meaning = "verifier and context of the pseudonym"

[[commitment]]
id = "purchases.pseudonym"
point = "pseudonym"
terms = { context = "owner" }
subgroup = true
reason = "the pseudonym is made of this holder's secret"
"""
_VALUE = """
[[label]]
name = "value"
meaning = "issuer and asset, from which the generator of amounts is derived"
"""
_CLAIMS = """
[[secret]]
name = "rho_claims"
meaning = "sum of the blindings of the claims"

[[commitment]]
id = "purchases.claims"
point = "claims"
terms = {{ value = "{claimed}", blinding = "rho_claims" }}
subgroup = true
reason = "the claims hold these amounts"
"""
_BILLS = """
[[secret]]
name = "rho_bills"
meaning = "sum of the blindings of the bills"

[[commitment]]
id = "purchases.bills"
point = "bills"
terms = {{ value = "{billed}", blinding = "rho_bills" }}
subgroup = true
reason = "the bills of the periods hold the same amounts, so no purchase is left out"
"""
_AVERAGE = f"""
[[public]]
name = "limit"
meaning = "number of purchases times the bound, less 1"

[[secret]]
name = "total"
meaning = "sum of the amounts, minor units"

[[constraint]]
id = "purchases.average"
range = "limit - total"
bits = "{AVERAGE_BITS}"
reason = "the mean of the amounts is below the bound"
"""


def _public(name: str) -> str:
    return f'\n[[public]]\nname = "{name}"\nmeaning = "what is shown of the amounts"\n'


def circuit(question: Question, purchases: int) -> Circuit:
    """The circuit of an answer that names so many purchases."""
    from zkcredit import _native

    request, terms = question.request, question.product.terms
    average, billed = request.show == "average", request.coverage == "all"
    parts = [_HEAD, _VALUE, _PSEUDONYM if request.pseudonym else ""]
    parts.append(_AVERAGE if average else "")
    if purchases:
        parts.append("" if average else _public("claimed"))
        parts.append(_CLAIMS.format(claimed="total" if average else "claimed"))
    if billed:
        parts.append("" if average else _public("billed"))
        parts.append(_BILLS.format(billed="total" if average else "billed"))
    parameters = {"K": terms.due_buckets, "M": terms.attributes}
    return _native.Circuit.compile("".join(parts), parameters)


@dataclass(frozen=True, slots=True)
class Commitments:
    """The ledger's commitments that an answer speaks about, 48 bytes each.

    ``nexts`` are the C′ of purchases and then of bills, ``claims`` the V, ``dues`` the D.
    """

    nexts: Sequence[bytes]
    claims: Sequence[bytes]
    dues: Sequence[bytes]

    def rests(self, holder: bytes) -> list[bytes]:
        """Every C′ − P; ``holder`` is P."""
        from zkcredit._native import subtract_points

        return [subtract_points(point, holder) for point in self.nexts]

    def points(
        self, question: Question, rests: Sequence[bytes], context: bytes
    ) -> dict[str, bytes]:
        """The points of the statement that follow from the ledger and the ``rests``."""
        from zkcredit._native import add_points

        points = {"rest": weighted_points(rests, context)}
        if self.claims:
            weighted = question.request.show == "amounts"
            claims = self.claims
            points["claims"] = weighted_points(claims, context) if weighted else add_points(claims)
        if self.dues:
            points["bills"] = add_points(self.dues)
        return points

    def publics(
        self, question: Question, amounts_minor: Sequence[int], context: bytes
    ) -> dict[str, Scalar]:
        """The public scalars of the statement."""
        request = question.request
        if request.show == "average":
            return {"limit": request.below_minor * len(self.claims) - 1}
        total_minor = sum(amounts_minor)
        publics: dict[str, Scalar] = {"billed": total_minor} if self.dues else {}
        if self.claims and request.show == "amounts":
            publics["claimed"] = weighted_scalars(amounts_minor, self.claims, context).expose()
        elif self.claims:
            publics["claimed"] = total_minor
        return publics


def labels(question: Question) -> dict[str, bytes]:
    """The labels of the statement."""
    pseudonym = question.pseudonym_label
    found = {"value": question.product.value_label}
    return found if pseudonym is None else found | {"context": pseudonym}
