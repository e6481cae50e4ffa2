"""Every way to show what one has not, and what the verifier answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from credentialkit import PERSON, Issuer, Scene, changed, secret
from forgerkit import fails, forge
from kit import refused, seed

from zkcredit import digests
from zkcredit._native import BlsKey, commit
from zkcredit.credentials.builtin import BUSINESS, IDENTITY, INCOME
from zkcredit.credentials.schema import Schema
from zkcredit.entries import CredentialKeyStatement, KeyAction
from zkcredit.errors import MalformedInput, Unsatisfied, ZkCreditError
from zkcredit.keys import WalletKeys
from zkcredit.messages import (
    Invoice,
    decode_message,
    encode_message,
    signed,
    signing_digest,
    unsigned,
)
from zkcredit.policies import business
from zkcredit.policies import present as present_module
from zkcredit.policies.binding import Bound
from zkcredit.policies.presentation import Presentation
from zkcredit.policies.request import (
    PresentationRequest,
    make_request,
    own_request,
    read_request,
)
from zkcredit.policies.verify import verify

AGE = "birth_date <= today - 18y"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


# -- replay ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bound(scene: Scene) -> Bound:
    """A commitment of the holder's, as a purchase makes one."""
    blind = secret("purchase")
    point = commit([(("H", 0), blind), (("H", 1), scene.keys.owner)])
    return Bound("credential", scene.shop_id, point, blind)


def test_another_nonce(scene: Scene) -> None:
    policy = scene.policy([AGE])
    first, second = scene.request(policy), scene.request(policy)
    shown = scene.present(first)
    scene.verify(first, shown)
    fails(scene, second, shown)
    digest = scene.present(second).request
    fails(scene, second, msgspec.structs.replace(shown, request=digest))


def test_another_merchant(scene: Scene) -> None:
    """A shop cannot pass on what it was shown, not even when it asked for the same."""
    policy = scene.policy([AGE], extra='pseudonym = "shop.example"')
    request = scene.request(policy)
    shown = scene.present(request)
    key = BlsKey.derive(seed("other shop"), b"merchant")
    other = msgspec.structs.replace(
        request, verifier_id=scene.register_shop(key, "Other shop"), nonce=request.nonce
    )
    other = signed(other, key.sign(signing_digest(other)))
    fails(scene, other, shown)
    fails(scene, other, msgspec.structs.replace(shown, request=signing_digest(other)))


def test_another_purchase(scene: Scene, bound: Bound) -> None:
    policy = scene.policy([AGE])
    request = scene.request(policy, bound_to="credential")
    shown = scene.present(request, bound=bound)
    assert scene.verify(request, shown).commitment == bound.commitment
    somebody = commit([(("H", 0), secret("x")), (("H", 1), secret("y"))])
    fails(scene, request, msgspec.structs.replace(shown, bound=somebody))
    fails(scene, request, msgspec.structs.replace(shown, bound=b""))
    terms = forge(
        scene, request, {"identity": scene.identity}, bound=replace(bound, terms_hash=b"T")
    )
    fails(scene, request, terms)


def test_another_ledger(scene: Scene) -> None:
    request = scene.request(scene.policy([AGE]))
    shown = scene.present(request)
    fails(scene, request, msgspec.structs.replace(shown, ledger_id=bytes(32)))
    other = Scene()
    with refused("wrong-ledger"):
        read_request(other.registry, request, other.clock())
    other.close()


def test_late_answer(scene: Scene) -> None:
    request = scene.request(scene.policy([AGE]))
    shown = scene.present(request)
    asked = own_request(scene.registry, request, request.valid_until_ms)
    verify(scene.registry, asked, shown)
    with refused("expired"):
        own_request(scene.registry, request, request.valid_until_ms + 1)


def business_invoice(scene: Scene, not_after_ms: int) -> Invoice:
    """An invoice of the scene's shop, which no registrar has verified."""
    draft = unsigned(
        Invoice,
        ledger_id=scene.ledger.ledger_id,
        merchant_id=scene.shop_id,
        amount_minor=500,
        currency="TWD",
        rho=bytes(32),
        payee=bytes(32),
        accepted=[bytes(32)],
        not_after_ms=not_after_ms,
        nonce=bytes(32),
        label="wine",
    )
    return signed(draft, scene.shop_key.sign(signing_digest(draft)))


def test_a_business_asked_in_the_words_of_an_invoice() -> None:
    """A shop that nobody verified lets a verified one answer for its invoice."""
    scene = Scene()
    scene.registrar.offer(BUSINESS)
    values = {"registered_name": "Good wines", "category": "alcohol", "country": "AT"}
    verified = scene.registrar.issue(scene.keys, BUSINESS, values)
    now_ms = scene.clock()
    invoice = business_invoice(scene, now_ms + 60_000)
    asked = business._asked(scene.registry, invoice, scene.registrar.id, now_ms).request
    for invoice_hash in (asked.invoice_hash, bytes(32)):
        question = msgspec.structs.replace(asked, invoice_hash=invoice_hash)
        question = signed(question, scene.shop_key.sign(signing_digest(question)))
        try:
            shown = scene.present(question, holdings=[verified])
        except MalformedInput:
            assert invoice_hash == signing_digest(invoice)
            continue
        relayed = msgspec.structs.replace(invoice, presentation=encode_message(shown))
        with refused("presentation"):
            business.read_business(scene.registry, relayed, now_ms)
    own = business.with_business(scene.registry, invoice, [verified], scene.keys, now_ms)
    assert business.read_business(scene.registry, own, now_ms) is not None
    scene.close()


@pytest.mark.parametrize("not_after_ms", [253_402_300_800_000, (1 << 63) - 1])
def test_an_invoice_without_a_last_day(scene: Scene, not_after_ms: int) -> None:
    shown = scene.present(scene.request(scene.policy([AGE])))
    invoice = msgspec.structs.replace(
        business_invoice(scene, not_after_ms), presentation=encode_message(shown)
    )
    with refused("presentation"):
        business.read_business(scene.registry, invoice, scene.clock())


# -- whose credential, which credential --------------------------------------------------------


def test_credentials_of_two_holders(scene: Scene) -> None:
    """An adult's identity beside one's own income."""
    adult = WalletKeys(seed("adult"))
    theirs = scene.registrar.issue(adult, IDENTITY, PERSON)
    policy = scene.policy([AGE, "income >= 100"], credentials=("identity", "income"))
    request = scene.request(policy)
    both = {"identity": theirs, "income": scene.income}
    for keys in (adult, scene.keys):
        fails(scene, request, forge(scene, request, both, keys=keys))


def test_lent_credential_at_a_purchase(scene: Scene, bound: Bound) -> None:
    """The adult would have to pay as well."""
    adult = WalletKeys(seed("adult"))
    theirs = scene.registrar.issue(adult, IDENTITY, PERSON)
    request = scene.request(scene.policy([AGE]), bound_to="credential")
    shown = forge(scene, request, {"identity": theirs}, keys=adult, bound=bound)
    assert shown.bound != bound.commitment  # the opening's owner is the prover's
    fails(scene, request, msgspec.structs.replace(shown, bound=bound.commitment))


def test_field_of_another_credential(scene: Scene) -> None:
    """The same schema twice: the level of the second stands in for that of the first."""
    other = Issuer(scene.ledger, "Second registrar")
    key = other.key(IDENTITY).public_key
    other.submit(CredentialKeyStatement(other.id, IDENTITY.hash, 1, KeyAction.OPEN, key))
    other.next_epoch(IDENTITY)
    strong = other.issue(scene.keys, IDENTITY, {**PERSON, "verification_level": 4})
    tables = f'[credentials.second]\nschema = "identity"\nissuers = ["{other.id.hex()}"]\n'
    request = scene.request(scene.policy(["identity.verification_level >= 4"], tables=tables))
    chosen = {"identity": scene.identity, "second": strong}
    with pytest.raises(Unsatisfied):
        forge(scene, request, chosen)
    about_second = scene.request(scene.policy(["second.verification_level >= 4"], tables=tables))
    honest = forge(scene, about_second, chosen)
    scene.verify(about_second, honest)
    fails(scene, request, msgspec.structs.replace(honest, request=signing_digest(request)))
    swapped = {"identity": strong, "second": scene.identity}
    fails(scene, request, forge(scene, request, swapped, check_keys=False))


def test_untrusted_issuer(scene: Scene) -> None:
    rogue = Issuer(scene.ledger, "Rogue")
    key = rogue.key(IDENTITY).public_key
    rogue.submit(CredentialKeyStatement(rogue.id, IDENTITY.hash, 1, KeyAction.OPEN, key))
    rogue.next_epoch(IDENTITY)
    made_up = rogue.issue(scene.keys, IDENTITY, PERSON)
    request = scene.request(scene.policy([AGE]))
    with refused("no-credential"):
        scene.present(request, holdings=[made_up])
    fails(scene, request, forge(scene, request, {"identity": made_up}, check_keys=False))


def test_schema_with_another_hash(scene: Scene) -> None:
    """The trusted issuer's credential of a look-alike schema."""
    fields = tuple(
        replace(item, maximum=9) if item.name == "verification_level" else item
        for item in IDENTITY.fields
    )
    alike = Schema(IDENTITY.name, IDENTITY.title, IDENTITY.revocable, fields)
    scene.registrar.offer(alike)
    fake = scene.registrar.issue(scene.keys, alike, PERSON)
    request = scene.request(scene.policy([AGE]))
    with refused("no-credential"):
        scene.present(request, holdings=[fake])
    shown = forge(scene, request, {"identity": fake}, check_keys=False)
    fails(scene, request, shown)
    use = msgspec.structs.replace(shown.credentials[0], schema_hash=alike.hash)
    fails(scene, request, msgspec.structs.replace(shown, credentials=[use]))


def test_expired(scene: Scene) -> None:
    today = dt.date(2026, 1, 1)
    last_day = scene.registrar.issue(scene.keys, IDENTITY, PERSON, expires=today)
    scene.check(scene.policy([AGE]), holdings=[last_day])
    day_before = today - dt.timedelta(days=1)
    late = scene.registrar.issue(scene.keys, IDENTITY, PERSON, expires=day_before)
    with refused("no-credential"):
        scene.check(scene.policy([AGE]), holdings=[late])


def test_revoked_since(scene: Scene) -> None:
    """A gap of an older epoch is no gap, and no epoch can be claimed for it."""
    scene = Scene()
    policy = scene.policy([AGE])
    request = scene.request(policy)
    shown = scene.present(request)
    scene.verify(request, shown)
    scene.registrar.next_epoch(IDENTITY)
    fails(scene, request, shown)
    for epoch in (0, 2, 3):
        use = msgspec.structs.replace(shown.credentials[0], epoch=epoch)
        fails(scene, request, msgspec.structs.replace(shown, credentials=[use]))
    with refused("no-credential"):
        scene.check(policy)
    renewed = msgspec.structs.replace(scene.identity, gap=scene.registrar.gap(IDENTITY, 0, 1 << 32))
    scene.check(policy, holdings=[renewed])
    scene.close()


def test_gap_of_another_key_or_issuer(scene: Scene) -> None:
    scene = Scene()
    scene.registrar.offer(IDENTITY, 2)
    wrong = scene.registrar.gap(IDENTITY, 0, 1 << 32, number=2)
    request = scene.request(scene.policy([AGE]))
    mixed = {"identity": msgspec.structs.replace(scene.identity, gap=wrong)}
    fails(scene, request, forge(scene, request, mixed))
    foreign = scene.bank.gap(INCOME, 0, 1 << 32)
    fails(
        scene,
        request,
        forge(scene, request, {"identity": msgspec.structs.replace(scene.identity, gap=foreign)}),
    )
    scene.close()


def test_closed_key() -> None:
    scene = Scene()
    request = scene.request(scene.policy([AGE]))
    shown = scene.present(request)
    scene.registrar.close(IDENTITY)
    fails(scene, request, shown)
    with refused("no-credential"):
        scene.present(request)
    scene.close()


def test_gap_signature_is_no_credential(scene: Scene) -> None:
    """One key signs credentials and gaps; the headers keep them apart."""
    small = Schema("two", "Two", False, (IDENTITY.field("country"),))
    scene.bank.offer(small)
    place = (scene.ledger.ledger_id, scene.bank.id, small.hash, 1)
    header = digests.gap_header(*place, 1)
    held = scene.bank.issue(scene.keys, small, {"country": "AT"})
    scalars = [held.blind(scene.keys), scene.keys.owner, held.handle, held.expires.toordinal(), 13]
    (signature,) = scene.bank.key(small).sign_messages(header, [scalars])
    tables = (
        f'[credentials.two]\nschema = "{small.hash.hex()}"\nissuers = ["{scene.bank.id.hex()}"]'
    )
    request = scene.request(scene.policy([], ["two.country"], credentials=(), tables=tables))
    scene.verify(request, scene.present(request, holdings=[held]))
    wrong = msgspec.structs.replace(held, signature=signature)
    fails(scene, request, forge(scene, request, {"two": wrong}))


# -- what is revealed --------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["DE", "at", "AT ", "XX", ""])
def test_revealed_value_that_was_not_signed(scene: Scene, value: str) -> None:
    request = scene.request(scene.policy([], ["country"]))
    shown = scene.present(request)
    assert shown.revealed == ["AT"]
    fails(scene, request, msgspec.structs.replace(shown, revealed=[value]))
    if value == "DE":
        fails(
            scene,
            request,
            forge(scene, request, {"identity": changed(scene.identity, country=value)}),
        )


def test_amount_in_another_form(scene: Scene) -> None:
    """``2500`` means the same as ``2500.00``; only one of them is written."""
    request = scene.request(scene.policy([], ["income"], credentials=("income",)))
    shown = scene.present(request)
    assert shown.revealed == ["2500.00"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(present_module, "_shown", lambda *_: "2500")
        plain = scene.present(request)
    assert plain.revealed == ["2500"]
    fails(scene, request, plain)


def test_more_or_less_is_revealed(scene: Scene) -> None:
    request = scene.request(scene.policy([], ["country"]))
    shown = scene.present(request)
    fails(scene, request, msgspec.structs.replace(shown, revealed=[]))
    fails(scene, request, msgspec.structs.replace(shown, revealed=["AT", "3"]))
    fails(scene, request, msgspec.structs.replace(shown, credentials=[]))
    fails(scene, request, msgspec.structs.replace(shown, credentials=shown.credentials * 2))


def test_clause_about_a_revealed_field(scene: Scene) -> None:
    """It is in no circuit: the verifier itself looks."""
    request = scene.request(
        scene.policy(["country in ['DE', 'FR']", "country != 'AT'"], ["country"])
    )
    with refused("clause-fails"):
        scene.present(request)
    fails(scene, request, forge(scene, request, {"identity": scene.identity}))


# -- pseudonyms --------------------------------------------------------------------------------


def pseudonym(scene: Scene, context: str, **options: Any) -> bytes:
    extra = f'pseudonym = "{context}"\n' + options.pop("source", "")
    return scene.check(scene.policy([AGE], extra=extra), **options).pseudonym


def test_pseudonym_is_stable_and_of_one_context(scene: Scene) -> None:
    mine = pseudonym(scene, "shop.example")
    assert mine == pseudonym(scene, "shop.example")
    person = 'pseudonym_from = "identity.person"'
    others = [
        pseudonym(scene, "forum.example"),
        pseudonym(scene, "shop.example", source=person),
    ]
    keys = WalletKeys(seed("somebody"))
    held = scene.registrar.issue(keys, IDENTITY, PERSON)
    somebody = pseudonym(scene, "shop.example", keys=keys, holdings=[held])
    assert len({mine, somebody, *others}) == 4
    # The same person with a second wallet is the same person.
    again = pseudonym(scene, "shop.example", source=person, keys=keys, holdings=[held])
    assert again == others[1]


def test_pseudonyms_are_unlinkable_across_verifiers(scene: Scene) -> None:
    """Also if another shop asks under this shop's name."""
    policy = scene.policy([AGE], extra='pseudonym = "shop.example"')
    asked = make_request(
        scene.registry, scene.bank.bls, scene.bank.id, policy, now_ms=scene.clock()
    )
    found = scene.verify(asked, scene.present(asked))
    assert found.pseudonym != pseudonym(scene, "shop.example")


def test_pseudonym_of_another_context(scene: Scene) -> None:
    """A fresh face for a shop that knows the holder."""
    policy = scene.policy([AGE], extra='pseudonym = "shop.example"')
    request = scene.request(policy)
    shown = scene.present(request)
    elsewhere = pseudonym(scene, "forum.example")
    fails(scene, request, msgspec.structs.replace(shown, pseudonym=elsewhere))
    ledger, shop = scene.ledger.ledger_id, scene.shop_id
    label = digests.pseudonym_label(ledger, shop, "forum.example", of_owner=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(present_module, "labels", lambda _: {"context": label})
        fresh = forge(scene, request, {"identity": scene.identity})
    assert fresh.pseudonym == elsewhere
    fails(scene, request, fresh)


# -- bytes -------------------------------------------------------------------------------------


def test_every_byte_of_a_presentation(scene: Scene) -> None:
    policy = scene.policy(
        ["on_time_periods >= 12"],
        ["days_late"],
        credentials=("history",),
        extra='pseudonym = "shop.example"',
    )
    request = scene.request(policy)
    asked = own_request(scene.registry, request, scene.clock())
    data = encode_message(scene.present(request))
    verify(scene.registry, asked, decode_message(data, Presentation))
    for place in range(len(data)):
        mutated = bytearray(data)
        mutated[place] ^= 1 << (place * 7 % 8)
        with pytest.raises(ZkCreditError):
            verify(scene.registry, asked, decode_message(bytes(mutated), Presentation))


def test_every_byte_of_a_request(scene: Scene) -> None:
    data = encode_message(scene.request(scene.policy([AGE])))
    for place in range(0, len(data), 3):
        mutated = bytearray(data)
        mutated[place] ^= 1 << (place * 5 % 8)
        with pytest.raises(ZkCreditError):
            reads(scene, bytes(mutated))


def reads(scene: Scene, data: bytes) -> None:
    read_request(scene.registry, decode_message(data, PresentationRequest), scene.clock())
