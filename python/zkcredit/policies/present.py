"""The holder's side: what would be shown, and after consent the presentation."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from zkcredit.errors import CallerError, MalformedInput, ProofRefused, Refused
from zkcredit.policies import words
from zkcredit.policies.clauses import (
    EXPIRY_BITS,
    FieldRef,
    GroundClause,
    ListClause,
    to_scalar,
)
from zkcredit.policies.lists import CurrentList, fetch_lists, list_key, list_place
from zkcredit.policies.presentation import (
    CredentialUse,
    Presentation,
    labels,
    presentation_context,
    signing_keys,
)
from zkcredit.policies.request import Asked, PresentationRequest, examine_request
from zkcredit.policies.witness import Witness, clause_witness, credential_witness, scalars

if TYPE_CHECKING:
    from zkcredit._native import Prover
    from zkcredit.credentials.held import HeldCredential
    from zkcredit.keys import WalletKeys
    from zkcredit.ledger import LedgerView
    from zkcredit.ledger.registry import Registry
    from zkcredit.policies.binding import Bound
    from zkcredit.policies.circuit import Relations
    from zkcredit.policies.memory import Memory
    from zkcredit.policies.resolve import Slot

CHOICES_MAX = 256
"""Most combinations of credentials that are tried."""
CLAUSE_FAILS = "clause-fails"
"""The rule under which a holder is told that it does not satisfy a request."""


@dataclass
class Consent:
    """What one presentation would show; set :attr:`given` when the holder agrees.

    ``learns``, ``convinced`` and ``warnings`` are plain words; ``shown`` are the values that
    would be revealed, by ``alias.field``; ``lists`` are the signed lists by the number of
    the clause.
    """

    asked: Asked = field(repr=False)
    chosen: dict[str, HeldCredential]
    lists: dict[int, CurrentList] = field(repr=False)
    learns: list[str]
    convinced: list[str]
    shown: dict[str, str] = field(repr=False)
    warnings: list[str] = field(default_factory=list)
    given: bool = False

    @property
    def text(self) -> str:
        """The whole question in plain words, without the values."""
        name, title = self.asked.verifier_name, self.asked.requirements.policy.title
        lines = [f"{name!r} asks ({title!r}, valid for this request only)."]
        lines += [f"It will learn: {', '.join(self.learns) or 'nothing about you'}."]
        lines += ["It will be convinced, without seeing it, that:"]
        lines += [f"  - {sentence}" for sentence in self.convinced]
        lines += [f"Mind: {warning}." for warning in self.warnings]
        return "\n".join(lines)


def plan(
    ledger: LedgerView,
    request: PresentationRequest,
    holdings: Sequence[HeldCredential],
    now_ms: int,
    memory: Memory | None = None,
) -> Consent:
    """Which credentials answer the request and what they would show; proves nothing yet.

    The lists that the request names are read from the ledger, whole. ``memory`` is what the
    wallet remembers of earlier questions. Refused as in
    :func:`~zkcredit.policies.request.examine_request` and
    :func:`~zkcredit.policies.lists.fetch_lists`, ``no-credential`` with what is wrong with
    those at hand, ``bad-list`` for a list that is not signed where it is needed, or
    ``clause-fails`` with the clause in words: for the holder's eyes, not for the verifier's.
    """
    asked = examine_request(ledger.registry, request, now_ms)
    lists = fetch_lists(ledger, asked.requirements.clauses)
    try:
        consent = plan_answer(ledger.registry, asked, holdings, lists)
    except Refused as error:
        if memory is not None and error.rule == CLAUSE_FAILS:
            memory.unanswered(asked)
        raise
    consent.warnings += words.small_lists(asked.requirements, lists)
    if memory is not None:
        consent.warnings += memory.warnings(asked)
    return consent


def plan_answer(
    registry: Registry,
    asked: Asked,
    holdings: Sequence[HeldCredential],
    lists: Mapping[int, CurrentList] = MappingProxyType({}),
) -> Consent:
    """As :func:`plan`, for a request that has been read and checked, with its lists."""
    requirements = asked.requirements
    candidates = [_candidates(registry, slot, holdings, asked) for slot in requirements.slots]
    names = registry.issuer_names(requirements.issuer_ids)
    chosen = _choose(asked, candidates, lists, names)
    _check_lists(registry, asked, chosen, lists)
    convinced = list(words.convinced(requirements, names, lists))
    if asked.request.bound_to != "none":
        convinced.append(words.BOUND[asked.request.bound_to])
    return Consent(
        asked=asked,
        chosen=chosen,
        lists=dict(lists),
        learns=[*words.learns(requirements, names), *_older_keys(registry, asked, chosen)],
        convinced=convinced,
        shown={str(ref): _shown(chosen, ref) for ref in requirements.reveal},
    )


def present(
    registry: Registry, consent: Consent, keys: WalletKeys, bound: Bound | None = None
) -> Presentation:
    """Proves what the holder has agreed to; CallerError without consent.

    ``bound`` opens the commitment that the request wants the presentation bound to. Refused
    ``other-party`` if it was made for somebody else than the verifier: purchases and openings
    stand on the ledger, and anybody could ask whose they are. Refused ``other-purchase``, and
    ``old-list`` if a list has a newer version than the one that the holder agreed to.
    """
    from zkcredit._native import Prover
    from zkcredit.policies.circuit import build

    if not consent.given:
        raise CallerError("the holder has not agreed: show consent.text and set consent.given")
    asked, requirements = consent.asked, consent.asked.requirements
    _check_bound(asked, bound)
    _check_versions(registry, consent)
    values = _values(consent.chosen)
    revealed = {ref: values[ref] for ref in requirements.reveal}
    relations = build(requirements, revealed, 2 + len(bound.rest) if bound else 0)
    draft = _draft(consent, bound)
    witness, signatures = _witness(consent, relations, keys, bound)
    prover = Prover(
        relations.circuit,
        keys=signing_keys(registry, asked, relations, draft),
        signatures=signatures,
        labels=labels(asked),
        publics=relations.publics,
        witness=witness,
    )
    return _proved(registry, draft, prover, keys)


def _draft(consent: Consent, bound: Bound | None) -> Presentation:
    """The presentation before its points and its proof are known."""
    uses = []
    for slot in consent.asked.requirements.slots:
        held = consent.chosen[slot.alias]
        uses.append(
            CredentialUse(
                issuer_id=held.issuer_id,
                schema_hash=held.schema_hash,
                key_number=held.key_number,
                epoch=held.gap.epoch if slot.schema.revocable and held.gap else 0,
            )
        )
    return Presentation(
        ledger_id=consent.asked.request.ledger_id,
        request=consent.asked.hash,
        credentials=uses,
        revealed=list(consent.shown.values()),
        pseudonym=b"",
        bound=b"",
        bound_terms=bound.terms_hash if bound else b"",
        proof=b"",
    )


def _witness(
    consent: Consent, relations: Relations, keys: WalletKeys, bound: Bound | None
) -> tuple[Witness, list[bytes]]:
    requirements, values = consent.asked.requirements, _values(consent.chosen)
    revealed = frozenset(requirements.reveal)
    lists = {number: found.signed for number, found in consent.lists.items()}
    witness, signatures = credential_witness(requirements, consent.chosen, revealed, keys)
    witness["owner"] = keys.owner
    for clause in relations.inside:
        own, signed = clause_witness(clause, values, lists)
        witness |= own
        signatures += signed
    if bound is not None:
        witness["bound_blind"] = bound.blind
        if bound.rest:
            witness["bound_rest"] = list(bound.rest)
    return witness, signatures


def _proved(
    registry: Registry, draft: Presentation, prover: Prover, keys: WalletKeys
) -> Presentation:
    points = prover.points
    draft = msgspec.structs.replace(
        draft, pseudonym=points.get("pseudonym", b""), bound=points.get("bound", b"")
    )
    proof = prover.prove(registry.ledger_id, presentation_context(draft), keys.seed)
    return msgspec.structs.replace(draft, proof=proof)


def _check_bound(asked: Asked, bound: Bound | None) -> None:
    request = asked.request
    if (bound.kind if bound else "none") != request.bound_to:
        raise CallerError(f"the request wants a presentation bound to: {request.bound_to}")
    if bound is None:
        return
    if not bound.party_id:
        raise Refused(
            "other-party",
            "this wallet was restored and does not know whose invoice the purchase paid: take "
            "the invoice in (`wallet import INVOICE`), then answer",
        )
    if bound.party_id != request.verifier_id:
        raise Refused(
            "other-party",
            f"{asked.verifier_name!r} asks who stands behind a commitment that this wallet "
            "does not know to be made for it",
        )
    if bound.kind == "purchase" and bound.invoice_hash != request.invoice_hash:
        raise Refused("other-purchase", "the request is about another invoice")


# -- choosing ----------------------------------------------------------------------------------


def _candidates(
    registry: Registry, slot: Slot, holdings: Sequence[HeldCredential], asked: Asked
) -> list[HeldCredential]:
    """The credentials that can stand in this place; Refused ``no-credential`` if none can."""
    problems = []
    fitting = []
    for held in holdings:
        ours = held.ledger_id == registry.ledger_id and held.issuer_id in slot.issuers
        if ours and held.schema_hash == slot.schema.hash:
            problem = _problem(registry, held, asked.requirements.today)
            if problem is None:
                fitting.append(held)
            else:
                problems.append(f"credential {held.number} {problem}")
    if not fitting:
        names = " or ".join(registry.issuer(issuer).name for issuer in slot.issuers)
        why = "; ".join(problems) or f"this wallet has none of {names}"
        raise Refused("no-credential", f"{slot.alias} ({slot.schema.title}): {why}")
    return fitting


def _problem(registry: Registry, held: HeldCredential, today: dt.date) -> str | None:
    key = registry.credential_key(held.issuer_id, held.schema_hash, held.key_number)
    if key.closed:
        return "is void: its issuer has closed the key"
    if held.expires < today:
        return f"has expired on {held.expires}"
    if (held.expires - today).days >> EXPIRY_BITS:
        return f"expires too late to be shown, on {held.expires}"
    if held.revoked:
        return "was revoked"
    if held.schema.revocable:
        if key.epoch == 0:
            return "cannot be shown before its issuer has published a revocation list"
        if held.gap is None or held.gap.epoch != key.epoch:
            return "is not proved unrevoked in this epoch: refresh it"
    return None


def _check_versions(registry: Registry, consent: Consent) -> None:
    for clause in consent.asked.requirements.clauses:
        if not isinstance(clause, ListClause):
            continue
        if consent.lists[clause.number].signed.place != list_place(registry, clause):
            raise Refused("old-list", f"there is a newer list {clause.list_name!r}: ask again")


def _check_lists(
    registry: Registry,
    asked: Asked,
    chosen: Mapping[str, HeldCredential],
    lists: Mapping[int, CurrentList],
) -> None:
    """Refused ``bad-list`` unless what a list says of these credentials is signed.

    Otherwise the verifier would find out, and learn where on the list the holder is.
    """
    from zkcredit._native import verify_messages

    values = _values(chosen)
    for clause in asked.requirements.clauses:
        if not isinstance(clause, ListClause):
            continue
        signed = lists[clause.number].signed
        found = signed.messages_for(values[clause.field])
        assert found is not None, "chosen so that every clause holds"
        messages, signature = found
        key = list_key(registry, clause)
        try:
            verify_messages(key.bbs_key, signed.header, [to_scalar(x) for x in messages], signature)
        except (ProofRefused, MalformedInput):
            raise Refused(
                "bad-list",
                f"the list {clause.list_name!r} has a wrong signature where your value stands: "
                "do not use it, and tell who relies on it",
            ) from None


def _older_keys(
    registry: Registry, asked: Asked, chosen: Mapping[str, HeldCredential]
) -> Iterator[str]:
    """What the keys of these credentials tell beyond their issuers."""
    for slot in asked.requirements.slots:
        held = chosen[slot.alias]
        if held.key_number != registry.current_credential_key(held.issuer_id, held.schema_hash):
            issuer = registry.shown_name(registry.issuer(held.issuer_id))
            yield words.older_key(slot.schema.title, issuer, held.key_number)


def _choose(
    asked: Asked,
    candidates: Sequence[Sequence[HeldCredential]],
    lists: Mapping[int, CurrentList],
    names: Mapping[bytes, str],
) -> dict[str, HeldCredential]:
    """The first combination that satisfies every clause; ``names`` are those of issuers."""
    aliases = [slot.alias for slot in asked.requirements.slots]
    failed: GroundClause | None = None
    for choice in itertools.islice(itertools.product(*candidates), CHOICES_MAX):
        chosen = dict(zip(aliases, choice, strict=True))
        broken = next(_broken(asked, _values(chosen), lists), None)
        if broken is None:
            return chosen
        failed = failed or broken
    assert failed is not None, "there is at least one combination"
    phrase = words.phrase(asked.requirements, failed, names, lists)
    raise Refused(CLAUSE_FAILS, f"clause {failed.number} does not hold: {phrase}")


def _broken(
    asked: Asked, values: Mapping[FieldRef, int], lists: Mapping[int, CurrentList]
) -> Iterator[GroundClause]:
    """The clauses that these values do not satisfy."""
    for clause in asked.requirements.clauses:
        if isinstance(clause, ListClause):
            holds = lists[clause.number].signed.messages_for(values[clause.field]) is not None
        else:
            holds = clause.holds(values)
        if not holds:
            yield clause


def _values(chosen: Mapping[str, HeldCredential]) -> dict[FieldRef, int]:
    return {
        FieldRef(alias, name): value
        for alias, held in chosen.items()
        for name, value in scalars(held).items()
    }


def _shown(chosen: Mapping[str, HeldCredential], ref: FieldRef) -> str:
    held = chosen[ref.alias]
    return held.schema.field(ref.name).format(held.values[ref.name])
