from __future__ import annotations

import pytest

from zkcredit.errors import CallerError, MalformedInput
from zkcredit.keys import (
    IssuerKeys,
    LenderKeys,
    MerchantKeys,
    WalletKeys,
    new_phrase,
    normalise_phrase,
    seed_from_phrase,
)

PHRASE = "abandon " * 23 + "art"
FROZEN = ["9345543c2cff3d44", "09af2982de862d3c", "130b7b7b631d1409", "52918d828325b12c"]
N, PAYEE, V = b"\x01" * 32, b"\x02" * 32, b"\x03" * 48


@pytest.fixture(scope="module")
def keys() -> WalletKeys:
    return WalletKeys(seed_from_phrase(PHRASE))


def test_new_phrases_are_valid_and_differ() -> None:
    first, second = new_phrase(), new_phrase()
    assert len(first.split()) == 24
    assert first != second
    assert normalise_phrase(first) == first


def test_spacing_and_case_do_not_matter() -> None:
    loose = "  " + PHRASE.upper().replace(" ", "\n ") + " "
    assert normalise_phrase(loose) == PHRASE
    assert seed_from_phrase(loose).expose() == seed_from_phrase(PHRASE).expose()


@pytest.mark.parametrize(
    ("phrase", "why"),
    [
        ("abandon " * 11 + "about", "24 words"),
        ("", "24 words"),
        ("abandon " * 22 + "abandn art", "word 23"),
        ("abandon " * 24, "checksum"),
        ("abandon " * 22 + "art abandon", "checksum"),
    ],
)
def test_bad_phrases_say_what_is_wrong(phrase: str, why: str) -> None:
    with pytest.raises(MalformedInput, match=why):
        seed_from_phrase(phrase)


def test_a_phrase_gives_the_same_secrets_for_ever(keys: WalletKeys) -> None:
    blind, serial = keys.spend_pair(N, PAYEE, V, 1)
    found = [keys.seed.expose(), keys.owner.expose(), blind.expose(), serial.expose()]
    assert [value.hex()[:16] for value in found] == FROZEN


def test_every_part_of_a_step_changes_its_secrets(keys: WalletKeys) -> None:
    other = b"\x09" * 32
    pairs = [
        keys.spend_pair(N, PAYEE, V, 1),
        keys.spend_pair(other, PAYEE, V, 1),
        keys.spend_pair(N, other, V, 1),
        keys.spend_pair(N, PAYEE, b"\x09" * 48, 1),
        keys.spend_pair(N, PAYEE, V, 2),
        keys.open_pair(N, 0),
        keys.open_pair(N, 1),
        keys.open_pair(other, 0),
        keys.step_pair(7, N, 1),
        keys.step_pair(8, N, 1),
        keys.step_pair(7, N, 2),
        keys.step_pair(7, other, 1),
    ]
    single = [
        keys.owner,
        keys.owner_blinding(N, 0),
        keys.owner_blinding(N, 1),
        keys.tag_blinding(8, N),
        keys.tag_blinding(9, N),
        keys.due_blinding(9, N),
        keys.credential_blind(N, PAYEE, 1, 0),
        keys.credential_blind(other, PAYEE, 1, 0),
        keys.credential_blind(N, other, 1, 0),
        keys.credential_blind(N, PAYEE, 2, 0),
        keys.credential_blind(N, PAYEE, 1, 1),
    ]
    secrets = {scalar.expose() for pair in pairs for scalar in pair}
    secrets |= {scalar.expose() for scalar in single}
    assert len(secrets) == 2 * len(pairs) + len(single)
    assert len({keys.reply_key(N), keys.reply_key(other), keys.memo_key(N)}) == 3


def test_roles_of_one_seed_share_no_key() -> None:
    seed = seed_from_phrase(PHRASE)
    merchant, lender = MerchantKeys(seed), LenderKeys(seed)
    assert merchant.bls.public_key != lender.bls.public_key
    assert merchant.rho(N).expose() != merchant.payee_secret(N).expose()


def test_each_period_has_its_own_key() -> None:
    lender = LenderKeys(seed_from_phrase(PHRASE))
    keys = {
        lender.period_key(terms, period).public_key
        for terms in (N, PAYEE)
        for period in (1, 2, 1 << 31)
    }
    assert len(keys) == 6
    assert lender.period_key(N, 1) is lender.period_key(N, 1)


def test_each_schema_and_number_has_its_own_credential_key() -> None:
    issuer = IssuerKeys(seed_from_phrase(PHRASE))
    lender = LenderKeys(seed_from_phrase(PHRASE))
    keys = [issuer.credential_key(schema, number) for schema in (N, PAYEE) for number in (1, 2)]
    keys.append(lender.period_key(N, 1))
    assert len({key.public_key for key in keys}) == 5
    assert lender.bls.public_key == issuer.bls.public_key
    assert lender.credential_key(N, 1).public_key == keys[0].public_key


def test_numbers_that_do_not_fit() -> None:
    keys = WalletKeys(seed_from_phrase(PHRASE))
    for line in (-1, 1 << 32):
        with pytest.raises(CallerError):
            keys.open_pair(N, line)
