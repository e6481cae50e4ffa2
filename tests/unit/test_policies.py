from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import msgspec
import pytest
from credentialkit import HISTORY, PERSON, Issuer, Scene
from kit import DAY_MS, refused, seed

from zkcredit._native import BlsKey
from zkcredit.credentials.builtin import CREDIT_HISTORY, IDENTITY
from zkcredit.errors import CallerError, MalformedInput, Refused
from zkcredit.messages import decode_message, encode_message, signed, signing_digest
from zkcredit.policies.policy import Policy
from zkcredit.policies.present import plan, present
from zkcredit.policies.presentation import Presentation
from zkcredit.policies.request import PresentationRequest, make_request, read_request

AGE = "birth_date <= today - 18y"
PSEUDONYM = (
    "a pseudonym for 'shop.example', made of your secret: the same each time, and unlike "
    "your pseudonyms anywhere else"
)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


def words(scene: Scene, *clauses: str, **options: object) -> list[str]:
    policy = scene.policy(clauses, **options)  # type: ignore[arg-type]
    variables = dict.fromkeys(policy.variables, "500.00")
    request = scene.request(policy, variables=variables)
    return plan(scene.ledger, request, scene.holdings, scene.clock()).convinced


# -- the whole way -----------------------------------------------------------------------------


def test_age_and_country(scene: Scene) -> None:
    policy = scene.policy([AGE], ["country"])
    found = scene.check(policy)
    assert found.values == {"identity.country": "AT"}
    assert found.issuers == {"identity": scene.registrar.id}
    assert (found.pseudonym, found.commitment) == (b"", b"")


@pytest.mark.parametrize(
    "clause",
    [
        "birth_date <= 2001-05-31",
        "birth_date >= 2001-05-31",
        "birth_date == 2001-05-31",
        "birth_date != 2001-05-30",
        "verification_level > 2",
        "country in ['AT']",
        "country in ['FR', 'AT', 'DE', 'BE']",
        "country not in ['FR']",
        "country not in ['FR', 'DE', 'BE']",
        "family_name == 'Muster'",
        "given_names != family_name",
        "2 * verification_level - 1 == 5",
        "3 * on_time_periods - days_late >= periods",
        "as_of < today",
        "income - 500.00 >= 1500",
        "since <= today - 1y",
    ],
)
def test_true_clauses(scene: Scene, clause: str) -> None:
    scene.check(scene.policy([clause], credentials=("identity", "income", "history")))


def test_equality_across_credentials(scene: Scene) -> None:
    """The names of two registrars agree; nobody sees them."""
    other = Issuer(scene.ledger, "Second registrar")
    other.publish(IDENTITY)
    from zkcredit.entries import CredentialKeyStatement, KeyAction

    key = other.key(IDENTITY).public_key
    other.submit(CredentialKeyStatement(other.id, IDENTITY.hash, 1, KeyAction.OPEN, key))
    other.next_epoch(IDENTITY)
    tables = f'[credentials.second]\nschema = "identity"\nissuers = ["{other.id.hex()}"]'
    clauses = ["identity.family_name == second.family_name", "identity.country in ['AT', 'DE']"]
    clauses += ["second.country in ['AT', 'FR']", "identity.country == second.country"]
    policy = scene.policy(clauses, tables=tables)
    same = other.issue(scene.keys, IDENTITY, PERSON)
    scene.check(policy, holdings=[scene.identity, same])
    differs = other.issue(scene.keys, IDENTITY, {**PERSON, "family_name": "Other"})
    with refused("clause-fails"):
        scene.check(policy, holdings=[scene.identity, differs])


def test_the_fitting_credential_is_chosen(scene: Scene) -> None:
    weak = scene.registrar.issue(scene.keys, IDENTITY, {**PERSON, "verification_level": 1})
    strong = scene.registrar.issue(scene.keys, IDENTITY, {**PERSON, "verification_level": 4})
    request = scene.request(scene.policy(["verification_level >= 4"], ["verification_level"]))
    consent = plan(scene.ledger, request, [weak, scene.identity, strong], scene.clock())
    assert consent.chosen == {"identity": strong}
    assert consent.shown == {"identity.verification_level": "4"}


# -- what the holder is told -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clause", "said"),
    [
        (
            AGE,
            "your date of birth is on or before 2008-01-01 (you are at least 18 years old)",
        ),
        ("birth_date < 2002-01-01", "your date of birth is on or before 2001-12-31"),
        ("birth_date >= 2001-01-01", "your date of birth is on or after 2001-01-01"),
        ("birth_date == 2001-05-31", "your date of birth is 2001-05-31"),
        ("birth_date != 2001-05-30", "your date of birth is not 2001-05-30"),
        (
            "birth_date <= since",
            "your first day with this income is on or after your date of birth",
        ),
        ("country in ['AT', 'DE']", "your country is one of AT, DE"),
        ("country in EU", "your country is one of DE, AT"),
        ("country not in ['FR']", "your country is none of FR"),
        ("country == 'AT'", "your country is 'AT'"),
        (
            "family_name in ['Muster', 'no one. Wine shop will learn nothing']",
            "your family name is one of 'Muster', 'no one. Wine shop will learn nothing'",
        ),
        ("family_name != 'Smith'", "your family name is not 'Smith'"),
        ("given_names != family_name", "your given names is not your family name"),
        ("verification_level >= 2", "your level of verification is at least 2"),
        ("verification_level < 4", "your level of verification is at most 3"),
        ("income >= 3 * instalment", "your monthly income is at least 1500.00 EUR"),
        (
            "on_time_periods + 4 >= periods",
            "your number of periods paid on time + 4 is at least your number of billed periods",
        ),
        (
            "2 * on_time_periods - days_late == 9",
            "2 × your number of periods paid on time is your days of delay in all + 9",
        ),
    ],
)
def test_clauses_in_words(scene: Scene, clause: str, said: str) -> None:
    tables = '[sets]\nEU = ["DE", "AT"]\n[variables]\ninstalment = "amount"'
    found = words(scene, clause, credentials=("identity", "income", "history"), tables=tables)
    assert found[-1] == said
    assert found[0] == (
        "you hold a credential 'Identity' of 'Registrar', not expired and not revoked"
    )
    assert found[2] == "you hold a credential 'Credit history' of 'Bank', not expired"


def test_the_question_as_a_whole(scene: Scene) -> None:
    policy = scene.policy([AGE], ["country"], extra='pseudonym = "shop.example"')
    consent = plan(scene.ledger, scene.request(policy), scene.holdings, scene.clock())
    assert consent.text.splitlines() == [
        "'Wine shop' asks ('Wine', valid for this request only).",
        f"It will learn: your country, {PSEUDONYM}.",
        "It will be convinced, without seeing it, that:",
        "  - you hold a credential 'Identity' of 'Registrar', not expired and not revoked",
        "  - your date of birth is on or before 2008-01-01 (you are at least 18 years old)",
    ]
    assert "2001" not in repr(consent)
    assert "AT" not in repr(consent)


def test_a_title_passes_for_no_words_of_the_wallet(scene: Scene) -> None:
    policy = scene.policy([AGE])
    spoken = policy.encoded.replace(b'"Wine"', b'"age). Wine shop will learn: nothing. ("')
    request = scene.request(Policy.parse(spoken))
    consent = plan(scene.ledger, request, scene.holdings, scene.clock())
    first = consent.text.splitlines()[0]
    assert first == (
        "'Wine shop' asks ('age). Wine shop will learn: nothing. (', valid for this request only)."
    )


def test_one_name_twice() -> None:
    """Names are not unique on a ledger: whoever takes another's does not pass for it."""
    scene = Scene()
    twin = BlsKey.derive(seed("twin"), b"merchant")
    for name in ("Wine shop", "Registrar"):
        scene.register_shop(twin if name == "Wine shop" else BlsKey.derive(seed(name), b""), name)
    request = scene.request(scene.policy([AGE]))
    consent = plan(scene.ledger, request, scene.holdings, scene.clock())
    shop, registrar = (party.hex()[:16] for party in (scene.shop_id, scene.registrar.id))
    assert consent.text.startswith(f"'Wine shop ({shop})' asks ")
    assert f" of 'Registrar ({registrar})', not expired" in consent.convinced[0]
    fake = scene.register_shop(BlsKey.derive(seed("fake"), b""), f"Registrar ({registrar})")
    shown = scene.registry.shown_name(scene.registry.merchant(fake))
    assert shown == f"Registrar ({registrar}) ({fake.hex()[:16]})"
    scene.close()


def test_a_name_passes_for_no_words_of_the_wallet() -> None:
    """A merchant chooses its name, and the wallet puts it into its sentences."""
    scene = Scene()
    key = BlsKey.derive(seed("glib"), b"merchant")
    glib = scene.register_shop(key, "Nobody sees anything. The wallet")
    policy = scene.policy([AGE], ["country"])
    request = make_request(scene.registry, key, glib, policy, now_ms=scene.clock())
    lines = plan(scene.ledger, request, scene.holdings, scene.clock()).text.splitlines()
    assert lines[0].startswith("'Nobody sees anything. The wallet' asks ('Wine', ")
    assert lines[1] == "It will learn: your country."
    assert not any("Nobody" in line for line in lines[1:])
    scene.close()


def test_which_issuer_is_learnt() -> None:
    """If several are trusted, who of them has issued the credential is shown."""
    scene = Scene()
    both = f'issuers = ["{scene.registrar.id.hex()}", "{scene.bank.id.hex()}"]'
    tables = f'[credentials.identity]\nschema = "identity"\n{both}'
    policy = scene.policy([AGE], credentials=(), tables=tables)
    consent = plan(scene.ledger, scene.request(policy), scene.holdings, scene.clock())
    assert consent.learns == [
        "which of them your credential 'Identity' is of: 'Registrar' or 'Bank'",
    ]
    scene.close()


def test_what_an_older_key_tells() -> None:
    scene = Scene()
    policy = scene.policy([AGE])
    assert plan(scene.ledger, scene.request(policy), scene.holdings, scene.clock()).learns == []
    scene.registrar.offer(IDENTITY, 2)
    consent = plan(scene.ledger, scene.request(policy), scene.holdings, scene.clock())
    (said,) = consent.learns
    assert said.startswith(
        "that your credential 'Identity' is from the time of the older key 1 of 'Registrar'"
    )
    scene.close()


def test_nothing_without_consent(scene: Scene) -> None:
    consent = plan(scene.ledger, scene.request(scene.policy([AGE])), scene.holdings, scene.clock())
    with pytest.raises(CallerError, match="agreed"):
        present(scene.registry, consent, scene.keys)


def test_the_holder_learns_which_clause_fails(scene: Scene) -> None:
    policy = scene.policy([AGE, "country in ['DE', 'FR']"])
    with pytest.raises(Refused, match="clause 2 does not hold: your country is one of DE, FR"):
        scene.check(policy)


def test_the_holder_learns_what_is_missing(scene: Scene) -> None:
    policy = scene.policy([AGE])
    with pytest.raises(Refused, match="this wallet has none of Registrar"):
        scene.check(policy, holdings=[scene.income])
    old = scene.registrar.issue(scene.keys, IDENTITY, PERSON, expires=dt.date(2025, 1, 1))
    with pytest.raises(Refused, match="has expired on 2025-01-01"):
        scene.check(policy, holdings=[old])
    revoked = msgspec.structs.replace(scene.identity, revoked=True)
    with pytest.raises(Refused, match="was revoked"):
        scene.check(policy, holdings=[revoked])
    without_gap = msgspec.structs.replace(scene.identity, gap=None)
    with pytest.raises(Refused, match="not proved unrevoked in this epoch"):
        scene.check(policy, holdings=[without_gap])


# -- requests ----------------------------------------------------------------------------------


def test_request_survives_its_message(scene: Scene) -> None:
    request = scene.request(scene.policy([AGE]))
    assert decode_message(encode_message(request), PresentationRequest) == request
    assert read_request(scene.registry, request, scene.clock()).verifier.name == "Wine shop"


def test_presentation_survives_its_message(scene: Scene) -> None:
    request = scene.request(scene.policy([AGE], ["country"], extra='pseudonym = "x"'))
    shown = scene.present(request)
    assert decode_message(encode_message(shown), Presentation) == shown


def test_two_requests_differ(scene: Scene) -> None:
    policy = scene.policy([AGE])
    first, second = scene.request(policy), scene.request(policy)
    assert first.nonce != second.nonce


def resigned(scene: Scene, request: PresentationRequest, **changes: object) -> PresentationRequest:
    changed = msgspec.structs.replace(request, **changes)
    return signed(changed, scene.shop_key.sign(signing_digest(changed)))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"today": "2026-1-1 "}, MalformedInput),
        ({"today": "2026-02-30"}, MalformedInput),
        ({"today": "20260101AB"}, MalformedInput),
        ({"today": "2026-W01-4"}, MalformedInput),
        ({"variables": ["a=1"]}, Refused),
        ({"variables": ["b=1", "a=1"]}, MalformedInput),
        ({"variables": ["a=1", "a=1"]}, MalformedInput),
        ({"policy": b"x"}, MalformedInput),
        ({"ledger_id": bytes(32)}, Refused),
        ({"verifier_id": bytes(32)}, Refused),
    ],
)
def test_requests_that_no_verifier_makes(
    scene: Scene, changes: dict[str, object], problem: type[Exception]
) -> None:
    request = scene.request(scene.policy([AGE]))
    with pytest.raises(problem):
        read_request(scene.registry, resigned(scene, request, **changes), scene.clock())


def test_request_of_another_signer(scene: Scene) -> None:
    request = scene.request(scene.policy([AGE]))
    thief = BlsKey.derive(seed("thief"), b"merchant")
    stolen = signed(request, thief.sign(signing_digest(request)))
    with refused("bad-signature"):
        read_request(scene.registry, stolen, scene.clock())


def test_request_of_another_day(scene: Scene) -> None:
    """A verifier that chose the day could search for a birth date."""
    request = scene.request(scene.policy([AGE]))
    for days, fits in ((0, True), (-1, True), (1, True), (2, False), (-2, False)):
        day = dt.date(2026, 1, 1) + dt.timedelta(days=days)
        moved = resigned(scene, request, today=day.isoformat())
        if fits:
            plan(scene.ledger, moved, scene.holdings, scene.clock())
            continue
        with refused("wrong-date"):
            plan(scene.ledger, moved, scene.holdings, scene.clock())


def test_expired_request(scene: Scene) -> None:
    request = scene.request(scene.policy([AGE]))
    with refused("expired"):
        plan(scene.ledger, request, scene.holdings, scene.clock() + DAY_MS)


def test_bound_or_not(scene: Scene) -> None:
    policy = scene.policy([AGE])
    for bound_to, invoice_hash in (("purchase", bytes(32)), ("none", b"\1" * 32)):
        with pytest.raises(CallerError):
            scene.request(policy, bound_to=bound_to, invoice_hash=invoice_hash)
    request = scene.request(policy, bound_to="open")
    with pytest.raises(CallerError, match="bound to: open"):
        scene.present(request)


def test_an_issuer_may_ask(scene: Scene) -> None:
    policy = scene.policy(["on_time_periods >= 12"], credentials=("history",))
    request = make_request(
        scene.registry, scene.bank.bls, scene.bank.id, policy, now_ms=scene.clock()
    )
    assert read_request(scene.registry, request, scene.clock()).verifier.name == "Bank"
    scene.verify(request, scene.present(request))


def test_requests_that_hold_for_too_long(scene: Scene) -> None:
    """A day, and ten minutes for clocks that are apart."""
    request = scene.request(scene.policy([AGE]))
    limit = scene.clock() + DAY_MS + 600_000
    for until, fits in ((limit, True), (limit + 1, False), ((1 << 63) - 1, False)):
        moved = msgspec.structs.replace(request, valid_until_ms=until)
        moved = signed(moved, scene.shop_key.sign(signing_digest(moved)))
        if fits:
            plan(scene.ledger, moved, scene.holdings, scene.clock())
            continue
        with pytest.raises(Refused, match="ask for a new one that holds for a day") as caught:
            plan(scene.ledger, moved, scene.holdings, scene.clock())
        assert caught.value.rule == "valid-too-long"
    with pytest.raises(CallerError, match="a day at most"):
        scene.request(scene.policy([AGE]), least_until_ms=scene.clock() + DAY_MS + 1)


def test_far_expiry_cannot_be_shown(scene: Scene) -> None:
    """15 bits of days: what no range holds, nobody can prove."""
    last = dt.date(2026, 1, 1) + dt.timedelta(days=(1 << 15) - 1)
    policy = scene.policy([], credentials=("history",))
    fits = scene.bank.issue(scene.keys, CREDIT_HISTORY, HISTORY, expires=last)
    scene.check(policy, holdings=[fits])
    late = last + dt.timedelta(days=1)
    too_far = scene.bank.issue(scene.keys, CREDIT_HISTORY, HISTORY, expires=late)
    with refused("no-credential"):
        scene.check(policy, holdings=[too_far])
