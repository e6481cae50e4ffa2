"""A holder that does not follow the rules: any credential, any witness, any circuit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from credentialkit import Scene

from zkcredit import digests
from zkcredit._native import Circuit
from zkcredit.codec import GROUP_ORDER
from zkcredit.credentials.held import HeldCredential
from zkcredit.credentials.lists import SignedList
from zkcredit.errors import CallerError, Refused
from zkcredit.keys import WalletKeys
from zkcredit.policies import circuit, present, witness
from zkcredit.policies.circuit import Relations
from zkcredit.policies.clauses import to_scalar
from zkcredit.policies.lists import CurrentList
from zkcredit.policies.present import Consent
from zkcredit.policies.presentation import Presentation
from zkcredit.policies.request import PresentationRequest, read_request

Edit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Liar(SignedList):
    """A list of which the holder shows whatever messages and signature it wants."""

    said: tuple[int, ...] = ()
    signature: bytes = b""

    def messages_for(self, value: int) -> tuple[list[int], bytes]:
        return list(self.said), self.signature


def lie(honest: CurrentList, messages: Iterable[int], signature: bytes) -> CurrentList:
    """``honest`` with other messages."""
    signed = honest.signed
    parts = (signed.place, signed.type, signed.gaps, signed.items, signed.signatures)
    return CurrentList(Liar(*parts, tuple(messages), signature), honest.published)


def forge(
    scene: Scene,
    request: PresentationRequest,
    chosen: Mapping[str, HeldCredential],
    *,
    edit: Edit = lambda _: None,
    omit: str = "",
    lists: Mapping[int, CurrentList] = {},
    keys: WalletKeys | None = None,
    bound: Any = None,
    check_keys: bool = True,
) -> Presentation:
    """A presentation of these credentials, without any check of the holder's program.

    ``edit`` changes the witness, ``omit`` is the id of a block that its circuit lacks.
    Without ``check_keys`` it takes the keys of its credentials, whatever the policy says.
    """
    asked = read_request(scene.registry, request, scene.clock())
    shown = {str(ref): present._shown(chosen, ref) for ref in asked.requirements.reveal}
    consent = Consent(asked, dict(chosen), dict(lists), [], [], shown, given=True)
    honest, signing_keys = present._witness, present.signing_keys

    def kept(items: Sequence[Any], text: str) -> list[Any]:
        ids = re.findall(r'\[\[signature\]\]\nid = "([^"]+)"', text)
        return [item for ident, item in zip(ids, items, strict=True) if ident != omit]

    def edited(consent: Consent, relations: Relations, *rest: Any) -> Any:
        values, signatures = honest(consent, relations, *rest)
        edit(values)
        return values, kept(signatures, relations.text)

    def keys_of(registry: Any, asked: Any, relations: Relations, draft: Any) -> Any:
        if check_keys:
            return kept(signing_keys(registry, asked, relations, draft), relations.text)
        return [pair for held in chosen.values() for pair in own_keys(scene, held)]

    def inverse(value: int) -> bytes:
        return to_scalar(pow(value, -1, GROUP_ORDER) if value % GROUP_ORDER else 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(present, "_witness", edited)
        patch.setattr(present, "signing_keys", keys_of)
        patch.setattr(witness, "_inverse", inverse)
        patch.setattr(circuit, "_compile", lambda text: compile_rest(without(text, omit)))
        return present.present(scene.registry, consent, keys or scene.keys, bound)


def fails(scene: Scene, request: PresentationRequest, presentation: Presentation) -> None:
    """The verifier must say "refused", and nothing else."""
    with pytest.raises(Refused) as caught:
        scene.verify(request, presentation)
    assert str(caught.value) == "the presentation is refused [presentation]"


def own_keys(scene: Scene, held: HeldCredential) -> list[tuple[bytes, bytes]]:
    """Key and headers of a credential and its gap."""
    place = (scene.ledger.ledger_id, held.issuer_id, held.schema.hash, held.key_number)
    key = scene.registry.credential_key(*place[1:]).bbs_key
    headers = [digests.credential_header(*place)]
    if held.gap is not None:
        headers.append(digests.gap_header(*place, held.gap.epoch))
    return [(key, header) for header in headers]


def without(text: str, ident: str) -> str:
    """The circuit's text without the block of this id."""
    return "\n[[".join(
        block for block in text.split("\n[[") if f'\nid = "{ident}"\n' not in block + "\n"
    )


def compile_rest(text: str) -> Circuit:
    """Compiles a circuit; secrets that nothing uses once a block is missing are committed."""
    while True:
        try:
            return Circuit.compile(text, {})
        except CallerError as error:
            unused = re.search(r"nothing uses '(\w+)'", str(error))
            if unused is None:
                raise
            place = text.index("committed = false", text.index(f'name = "{unused[1]}"'))
            text = text[:place] + text[place:].replace("false", "true", 1)


def edits(**values: int | Sequence[int]) -> Edit:
    """Sets secrets of the witness."""

    def apply(found: dict[str, Any]) -> None:
        for name, value in values.items():
            assert name in found
            many = not isinstance(value, int)
            found[name] = [to_scalar(x) for x in value] if many else to_scalar(value)  # type: ignore[union-attr,arg-type]

    return apply
