"""The holder's side: what would be shown, and after consent the presentation."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from zkcredit.policies.lists import SignedList
from zkcredit.policies.presentation import (
    CredentialUse,
    Presentation,
    labels,
    list_key,
    presentation_context,
    signing_keys,
)
from zkcredit.policies.request import Asked, PresentationRequest, check_date, read_request
from zkcredit.policies.witness import Witness, clause_witness, credential_witness, scalars

if TYPE_CHECKING:
    from zkcredit._native import Prover
    from zkcredit.credentials.held import HeldCredential
    from zkcredit.keys import WalletKeys
    from zkcredit.ledger.registry import Registry
    from zkcredit.policies.binding import Bound
    from zkcredit.policies.circuit import Relations
    from zkcredit.policies.resolve import Slot

CHOICES_MAX = 256
"""Most combinations of credentials that are tried."""


@dataclass
class Consent:
    """What one presentation would show; set :attr:`given` when the holder agrees.

    ``learns`` and ``convinced`` are plain words; ``shown`` are the values that would be
    revealed, by ``alias.field``.
    """

    asked: Asked = field(repr=False)
    chosen: dict[str, HeldCredential]
    lists: dict[int, SignedList] = field(repr=False)
    learns: list[str]
    convinced: list[str]
    shown: dict[str, str] = field(repr=False)
    given: bool = False

    @property
    def text(self) -> str:
        """The whole question in plain words, without the values."""
        name, title = self.asked.verifier_name, self.asked.requirements.policy.title
        lines = [f"{name} asks ({title!r}, valid for this request only)."]
        lines += [f"{name} will learn: {', '.join(self.learns) or 'nothing about you'}."]
        lines += [f"{name} will be convinced, without seeing it, that:"]
        lines += [f"  - {sentence}" for sentence in self.convinced]
        return "\n".join(lines)


def plan(
    registry: Registry,
    request: PresentationRequest,
    holdings: Sequence[HeldCredential],
    now_ms: int,
    lists: Iterable[SignedList] = (),
) -> Consent:
    """Which credentials answer the request and what they would show; proves nothing yet.

    Refused as in :func:`~zkcredit.policies.request.read_request`, ``wrong-date``,
    ``no-credential`` with what is wrong with those at hand, ``no-list``, ``bad-list`` for a
    list that is not signed where it is needed, or ``clause-fails`` with the clause in
    words: for the holder's eyes, not for the verifier's.
    """
    asked = read_request(registry, request, now_ms)
    check_date(asked, now_ms)
    return plan_answer(registry, asked, holdings, lists)


def plan_answer(
    registry: Registry,
    asked: Asked,
    holdings: Sequence[HeldCredential],
    lists: Iterable[SignedList] = (),
) -> Consent:
    """As :func:`plan`, for a request that has been read and checked."""
    requirements = asked.requirements
    files = _find_lists(registry, asked, tuple(lists))
    candidates = [_candidates(registry, slot, holdings, asked) for slot in requirements.slots]
    names = registry.issuer_names(requirements.issuer_ids)
    chosen = _choose(asked, candidates, files, names)
    _check_lists(registry, asked, chosen, files)
    convinced = list(words.convinced(requirements, names))
    if asked.request.bound_to != "none":
        convinced.append(words.BOUND[asked.request.bound_to])
    return Consent(
        asked=asked,
        chosen=chosen,
        lists=files,
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
    stand on the ledger, and anybody could ask whose they are. Refused ``other-purchase``.
    """
    from zkcredit._native import Prover
    from zkcredit.policies.circuit import build

    if not consent.given:
        raise CallerError("the holder has not agreed: show consent.text and set consent.given")
    asked, requirements = consent.asked, consent.asked.requirements
    _check_bound(asked, bound)
    values = _values(consent.chosen)
    revealed = {ref: values[ref] for ref in requirements.reveal}
    relations = build(requirements, revealed, 2 + len(bound.rest) if bound else 0)
    draft = _draft(consent, relations, bound)
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


def _draft(consent: Consent, relations: Relations, bound: Bound | None) -> Presentation:
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
    named = [clause.number for clause in relations.inside if isinstance(clause, ListClause)]
    return Presentation(
        ledger_id=consent.asked.request.ledger_id,
        request=consent.asked.hash,
        credentials=uses,
        list_keys=[consent.lists[number].key_number for number in named],
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
    witness, signatures = credential_witness(requirements, consent.chosen, revealed, keys)
    witness["owner"] = keys.owner
    for clause in relations.inside:
        own, signed = clause_witness(clause, values, consent.lists)
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
    if bound.party_id != request.verifier_id:
        raise Refused(
            "other-party",
            f"{asked.verifier_name} asks who stands behind a commitment that this wallet "
            "does not know to be made for it",
        )
    if bound.kind == "purchase" and bound.invoice_hash != request.invoice_hash:
        raise Refused("other-purchase", "the request is about another invoice")


# -- choosing ----------------------------------------------------------------------------------


def _find_lists(
    registry: Registry, asked: Asked, files: Sequence[SignedList]
) -> dict[int, SignedList]:
    """The signed list of each clause that names one."""
    found = {}
    for clause in asked.requirements.clauses:
        if not isinstance(clause, ListClause):
            continue
        wanted = (registry.ledger_id, clause.rule, clause.type, clause.negated)
        fitting = [x for x in files if (x.ledger_id, x.rule, x.type, x.gaps) == wanted]
        if not fitting:
            rule = clause.rule
            raise Refused(
                "no-list", f"fetch version {rule.version} of the signed list {rule.name!r} first"
            )
        found[clause.number] = fitting[0]
    return found


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


def _check_lists(
    registry: Registry,
    asked: Asked,
    chosen: Mapping[str, HeldCredential],
    lists: Mapping[int, SignedList],
) -> None:
    """Refused ``bad-list`` unless what a list says of these credentials is signed.

    Otherwise the verifier would find out, and learn where on the list the holder is.
    """
    from zkcredit._native import verify_messages

    values = _values(chosen)
    for clause in asked.requirements.clauses:
        if not isinstance(clause, ListClause):
            continue
        signed = lists[clause.number]
        found = signed.messages_for(values[clause.field])
        assert found is not None, "chosen so that every clause holds"
        messages, signature = found
        key = list_key(registry, clause, signed.key_number)
        try:
            verify_messages(key, signed.header, [to_scalar(x) for x in messages], signature)
        except (ProofRefused, MalformedInput):
            raise Refused(
                "bad-list",
                f"the list {signed.rule.name!r} has a wrong signature where your value stands: "
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
    lists: Mapping[int, SignedList],
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
    phrase = words.phrase(asked.requirements, failed, names)
    raise Refused("clause-fails", f"clause {failed.number} does not hold: {phrase}")


def _broken(
    asked: Asked, values: Mapping[FieldRef, int], lists: Mapping[int, SignedList]
) -> Iterator[GroundClause]:
    """The clauses that these values do not satisfy."""
    for clause in asked.requirements.clauses:
        if isinstance(clause, ListClause):
            holds = lists[clause.number].messages_for(values[clause.field]) is not None
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
