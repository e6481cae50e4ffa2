"""One person, one line: newcomers of a lender that asks for a presentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from issuerkit import ADA, EXPIRES
from kit import DAY_MS, LIMIT, World, refused, seed
from msgspec.structs import replace

from zkcredit.credentials.builtin import IDENTITY
from zkcredit.credentials.issuer import CredentialIssuer
from zkcredit.errors import CallerError, Refused
from zkcredit.lender import Lender
from zkcredit.messages import OpenRequest, decode_message, encode_message
from zkcredit.policies.policy import Policy
from zkcredit.policies.request import PresentationRequest
from zkcredit.wallet import Wallet


@dataclass
class Branch(World):
    """A lender that wants adults, each once; a registrar."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.registrar = self.issuer("Registrar")
        self.lender.set_onboarding(self.ledger, self.policy())

    def issuer(self, name: str) -> CredentialIssuer:
        issuer = CredentialIssuer.create(None, seed(name), name, clock=self.clock)
        issuer.register(self.ledger)
        issuer.publish_schema(self.ledger, IDENTITY)
        issuer.open_key(self.ledger, IDENTITY.hash)
        return issuer

    def policy(self, *issuers: CredentialIssuer, age: int = 18, **changes: str) -> Policy:
        names = [f'"{issuer.issuer_id.hex()}"' for issuer in issuers or (self.registrar,)]
        found = {"pseudonym": "onboarding", "pseudonym_from": "identity.person"} | changes
        lines = [f'{key} = "{value}"' for key, value in found.items() if value]
        return Policy.parse(
            f'title = "New customers"\nreveal = ["country"]\n'
            f'prove = ["birth_date <= today - {age}y"]\n' + "\n".join(lines) + "\n"
            f'[credentials.identity]\nschema = "identity"\nissuers = [{", ".join(names)}]\n'
        )

    def citizen(self, wallet_name: object, person: str) -> Wallet:
        """A wallet with an identity credential of this person."""
        wallet = self.wallet(wallet_name)
        place = self.registrar.issuer_id, IDENTITY.hash
        request = wallet.credentials.request(self.ledger, *place)
        reply = self.registrar.issue(self.ledger, request, ADA | {"person": person}, EXPIRES)
        wallet.credentials.receive(self.ledger, reply)
        wallet.credentials.refresh_gaps(self.ledger)
        return wallet

    def answered(
        self,
        wallet: Wallet,
        asked: PresentationRequest | None = None,
        lender: Lender | None = None,
    ) -> OpenRequest:
        """A request for a line with the presentation that the lender wants."""
        lender = lender or self.lender
        request = wallet.request_line(self.ledger, self.terms_hash)
        asked = asked or lender.onboarding_request(self.ledger)
        consent = wallet.presenter.plan(self.ledger, asked)
        consent.given = True
        line = wallet.lines[-1].number
        presentation = wallet.presenter.present(self.ledger, consent, line=line)
        return replace(request, presentation=encode_message(presentation))

    def grant(self, request: OpenRequest, customer: str = "customer") -> int:
        """Grants the request; returns the account's number."""
        return self.lender.grant(self.ledger, request, LIMIT, customer).number


@pytest.fixture
def branch() -> Branch:
    return Branch()


def test_a_newcomer_gets_a_line(branch: Branch) -> None:
    wallet = branch.citizen("one", "Ada")
    request = branch.answered(wallet)
    assert decode_message(encode_message(request), OpenRequest) == request
    assert branch.grant(request) == 1
    branch.answer(wallet)
    assert wallet.line(1).status == "ready"
    assert branch.lender.onboarded(1) == {"identity.country": "AT"}
    branch.pay(wallet, 100)


def test_the_same_request_again_changes_nothing(branch: Branch) -> None:
    request = branch.answered(branch.citizen("one", "Ada"))
    assert branch.grant(request) == 1
    branch.clock.forward(DAY_MS)  # its presentation has expired
    assert branch.grant(request) == 1
    assert branch.grant(replace(request, presentation=b"")) == 1
    assert len(branch.lender.accounts()) == 1


def test_a_second_line_of_the_same_person_is_refused(branch: Branch) -> None:
    first = branch.citizen("one", "Ada")
    branch.grant(branch.answered(first))
    for wallet in (first, branch.citizen("another wallet", "Ada")):
        with refused("person-has-line"):
            branch.grant(branch.answered(wallet))
    assert branch.grant(branch.answered(branch.citizen("two", "Berta"))) == 2
    assert len(branch.lender.accounts()) == 2


def test_two_requests_of_one_person_in_one_batch(branch: Branch) -> None:
    requests = [
        branch.answered(branch.citizen(name, person))
        for name, person in (("one", "Ada"), ("two", "Ada"), ("three", "Berta"))
    ]
    results = branch.lender.grant_many(branch.ledger, [(x, LIMIT, "customer") for x in requests])
    assert isinstance(results[1], Refused)
    assert results[1].rule == "person-has-line"
    assert [account.number for account in branch.lender.accounts()] == [1, 2]


def test_whose_proof_fails_is_not_remembered(branch: Branch) -> None:
    wallet = branch.citizen("one", "Ada")
    request = branch.answered(wallet)
    broken = bytearray(request.proof)
    broken[-1] ^= 1
    with refused("bad-proof"):
        branch.grant(replace(request, proof=bytes(broken)))
    assert branch.grant(request) == 1


def test_a_person_may_come_back_after_the_line_is_closed_and_paid(branch: Branch) -> None:
    wallet = branch.citizen("one", "Ada")
    branch.grant(branch.answered(wallet))
    branch.answer(wallet)
    branch.pay(wallet, 20_000)
    branch.open_period()
    branch.bill(wallet)
    branch.lender.close_account(1)
    with refused("person-has-line"):
        branch.grant(branch.answered(wallet))
    branch.lender.record_payment(1, 20_000, "all")
    assert branch.grant(branch.answered(wallet)) == 2


def test_other_lenders_see_another_pseudonym(branch: Branch) -> None:
    """The same person with the same credential is new to the next lender."""
    other = Lender.create(None, seed("other lender"), "Other bank", clock=branch.clock)
    other.register(branch.ledger)
    terms_hash = other.publish_terms(branch.ledger, branch.terms)
    other.open_period(branch.ledger, terms_hash)
    other.set_onboarding(branch.ledger, branch.policy())
    wallet = branch.citizen("one", "Ada")
    branch.grant(branch.answered(wallet))
    branch.terms_hash = terms_hash
    request = branch.answered(wallet, lender=other)
    assert other.grant(branch.ledger, request, LIMIT, "customer").number == 1
    pseudonyms = {
        lender._store._value("SELECT pseudonym FROM people") for lender in (branch.lender, other)
    }
    assert len(pseudonyms) == 2


# -- what is refused -----------------------------------------------------------------------


def test_a_presentation_is_wanted(branch: Branch) -> None:
    request = replace(branch.answered(branch.citizen("one", "Ada")), presentation=b"")
    with refused("presentation-missing"):
        branch.grant(request)
    branch.lender.set_onboarding(branch.ledger, None)
    assert branch.grant(request) == 1
    assert branch.lender.onboarded(1) is None


def test_somebody_elses_presentation(branch: Branch) -> None:
    honest = branch.answered(branch.citizen("one", "Ada"))
    stranger = branch.wallet("stranger").request_line(branch.ledger, branch.terms_hash)
    with refused("presentation"):
        branch.grant(replace(stranger, presentation=honest.presentation))
    assert branch.lender.accounts() == []
    branch.grant(honest)


def test_the_presentation_of_another_line(branch: Branch) -> None:
    wallet = branch.citizen("one", "Ada")
    first, second = branch.answered(wallet), branch.answered(wallet)
    with refused("presentation"):
        branch.grant(replace(first, presentation=second.presentation))


def test_a_presentation_that_answers_no_request_of_this_lender(branch: Branch) -> None:
    other = Lender.create(None, seed("other lender"), "Other bank", clock=branch.clock)
    other.register(branch.ledger)
    other.set_onboarding(branch.ledger, branch.policy())
    asked = other.onboarding_request(branch.ledger)
    ada = branch.citizen("one", "Ada")
    with refused("other-party"):
        branch.answered(ada, asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zkcredit.policies.present._check_bound", lambda *_: None)
        request = branch.answered(ada, asked)
    with refused("presentation"):
        branch.grant(request)


def test_a_presentation_under_an_older_policy(branch: Branch) -> None:
    request = branch.answered(branch.citizen("one", "Ada"))
    branch.lender.set_onboarding(branch.ledger, branch.policy(age=20))
    with refused("presentation"):
        branch.grant(request)


def test_a_presentation_that_has_expired(branch: Branch) -> None:
    request = branch.answered(branch.citizen("one", "Ada"))
    branch.clock.forward(16 * 60_000)
    with refused("expired"):
        branch.grant(request)


def test_a_credential_that_was_revoked_meanwhile(branch: Branch) -> None:
    request = branch.answered(branch.citizen("one", "Ada"))
    handle = branch.registrar.issued()[0].handle
    branch.registrar.revoke(IDENTITY.hash, handle, "stolen")
    branch.registrar.publish_revocations(branch.ledger, IDENTITY.hash)
    with refused("presentation"):
        branch.grant(request)


def test_changed_bytes_of_the_presentation(branch: Branch) -> None:
    request = branch.answered(branch.citizen("one", "Ada"))
    data = request.presentation.decode()
    proof = data.index('"proof":"') + len('"proof":"')
    for place in range(proof, len(data) - 2, 701):
        digit = "0" if data[place] != "0" else "1"
        changed = (data[:place] + digit + data[place + 1 :]).encode()
        with refused("presentation"):
            branch.grant(replace(request, presentation=changed))
    assert branch.lender.accounts() == []


@pytest.mark.parametrize(
    "policy",
    [
        lambda b: b.policy(pseudonym="other"),
        lambda b: b.policy(pseudonym_from="owner"),
        lambda b: b.policy(pseudonym="", pseudonym_from=""),
        lambda b: b.policy(b.registrar, b.issuer("Second registrar")),
    ],
)
def test_policies_that_would_not_find_a_person_again(
    branch: Branch, policy: Callable[[Branch], Policy]
) -> None:
    with pytest.raises(CallerError):
        branch.lender.set_onboarding(branch.ledger, policy(branch))


def test_nothing_is_asked_without_a_policy(branch: Branch) -> None:
    branch.lender.set_onboarding(branch.ledger, None)
    with pytest.raises(CallerError, match="onboarding policy"):
        branch.lender.onboarding_request(branch.ledger)
    with pytest.raises(CallerError, match="no account 1"):
        branch.lender.onboarded(1)


def test_requests_that_nobody_answered_are_forgotten(branch: Branch) -> None:
    for _ in range(2):
        branch.lender.onboarding_request(branch.ledger)
        branch.clock.forward(16 * 60_000)
    branch.lender.onboarding_request(branch.ledger)
    assert branch.lender._store._value("SELECT count(*) FROM inquiries") == 1
