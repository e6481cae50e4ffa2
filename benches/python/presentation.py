"""A shop's policy, bound to a purchase: age, a list of 30 countries, one comparison of amounts.

    python benches/python/presentation.py [--quick]

Two credentials of two issuers, both revocable, and the purchase's commitment in one proof. Proving
is from consent to message, verifying from message to what is disclosed, reading and the registry
included; issuing and fetching lists are not. Then one credential of ten fields with one ``>=``,
beside the same predicate of anoncreds if that is installed. It is not comparable: CL-RSA of 2,048
bits against BBS on BLS12-381, and its predicates are ranges of 32 bits.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
import time
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import race

ARGUMENTS = race.options(__doc__)

from zkcredit import Lender, Merchant, Operator, Terms, Wallet  # noqa: E402 - after the threads
from zkcredit._native import Seed  # noqa: E402
from zkcredit.credentials.builtin import IDENTITY, INCOME  # noqa: E402
from zkcredit.credentials.issuer import CredentialIssuer  # noqa: E402
from zkcredit.credentials.schema import Field, FieldType, Schema  # noqa: E402
from zkcredit.messages import decode_message, encode_message  # noqa: E402
from zkcredit.policies.policy import Policy  # noqa: E402
from zkcredit.policies.presentation import Presentation  # noqa: E402
from zkcredit.policies.request import own_request  # noqa: E402
from zkcredit.policies.verify import verify  # noqa: E402

PROOF_MS_MAX, VERIFICATION_MS_MAX = 60.0, 8.0
EEA = (
    *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE"),
    *("IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"),
)
PERSON: dict[str, Any] = {
    "given_names": "Ada",
    "family_name": "Muster",
    "birth_date": dt.date(1990, 5, 31),
    "country": "AT",
    "document_hash": "P1234567",
    "verification_level": 3,
    "person": secrets.token_hex(16),
}
EARNS: dict[str, Any] = {
    "income": 250_000,
    "since": dt.date(2020, 1, 1),
    "employer_hash": "ACME",
}
TEN = Schema(
    "ten",
    "Ten fields",
    False,
    tuple(
        Field(f"field_{n}", f"field {n}", FieldType.INTEGER, 0, (1 << 31) - 1) for n in range(10)
    ),
)
NUMBERS = {f"field_{n}": 1_000 + n for n in range(10)}
PEER = "anoncreds"


class World:
    """A ledger in memory with everybody on it."""

    def __init__(self) -> None:
        self.ledger = Operator.create(None)
        self.wallet, self.shop = Wallet.create(), Merchant.create("Shop")
        self.shop.register(self.ledger)
        self.registrar = self._issuer("Registrar", IDENTITY, PERSON)
        self.bank = self._issuer("Bank", INCOME, EARNS)
        self.other = self._issuer("Other", TEN, NUMBERS)
        self.wallet.credentials.refresh_gaps(self.ledger)
        self._open_line()

    def _issuer(self, name: str, schema: Schema, values: dict[str, Any]) -> bytes:
        issuer = CredentialIssuer.create(None, _seed(), name)
        issuer.register(self.ledger)
        issuer.open_key(self.ledger, issuer.publish_schema(self.ledger, schema))
        book = self.wallet.credentials
        request = book.request(self.ledger, issuer.issuer_id, schema.hash)
        expires = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=365)
        book.receive(self.ledger, issuer.issue(self.ledger, request, values, expires))
        return issuer.issuer_id

    def _open_line(self) -> None:
        lender = Lender.create(None, _seed(), "Lender")
        lender.register(self.ledger)
        terms_hash = lender.publish_terms(self.ledger, Terms(currency="EUR"))
        lender.open_period(self.ledger, terms_hash)
        lender.grant(self.ledger, self.wallet.request_line(self.ledger, terms_hash), 10**6, "Ada")
        lender.sign_pending(self.ledger)
        self.wallet.receive(self.ledger)


@dataclass
class Answer:
    """One request, again and again."""

    world: World
    request: Any

    def prove(self) -> bytes:
        presenter = self.world.wallet.presenter
        consent = presenter.plan(self.world.ledger, self.request)
        consent.given = True
        return encode_message(presenter.present(self.world.ledger, consent))

    def __post_init__(self) -> None:
        self.shown = self.prove()

    def verify(self) -> None:
        registry, now_ms = self.world.ledger.registry, int(time.time() * 1_000)
        asked = own_request(registry, self.request, now_ms)
        verify(registry, asked, decode_message(self.shown, Presentation))


def main() -> None:
    package = race.peer(PEER)
    theirs = package and Anoncreds(package)
    track, world = race.Track(ARGUMENTS), World()
    purchase = Answer(world, _purchase(world))
    proving = track.race("prove the shop's policy", {race.OURS: purchase.prove})
    verifying = track.race("verify it", {race.OURS: purchase.verify})
    one = Answer(world, world.shop.request(world.ledger, _one_predicate(world)))
    track.race("prove ten fields, one >=", {race.OURS: one.prove, PEER: theirs and theirs.prove})
    track.race("verify ten fields, one >=", {race.OURS: one.verify, PEER: theirs and theirs.verify})
    size = len(decode_message(purchase.shown, Presentation).proof)
    print(f"\nproof of the shop's policy: {size:,} bytes")
    print(f"proving {proving[race.OURS] / 1e3:.1f} ms, target {PROOF_MS_MAX:.0f}")
    print(f"verifying {verifying[race.OURS] / 1e3:.1f} ms, target {VERIFICATION_MS_MAX:.0f}")
    print(f"proof of one >=: {len(decode_message(one.shown, Presentation).proof):,} bytes", end="")
    print(f"; {PEER} {len(theirs.made):,} (JSON)" if theirs else "")


def _purchase(world: World) -> Any:
    policy = Policy.parse(
        json.dumps(
            {
                "title": "Wine on credit",
                "prove": [
                    "birth_date <= today - 18y",
                    "country in EEA",
                    "income >= 3 * instalment",
                ],
                "sets": {"EEA": EEA},
                "variables": {"instalment": "amount"},
                "credentials": {
                    "identity": {"schema": "identity", "issuers": [world.registrar.hex()]},
                    "income": {"schema": "income", "issuers": [world.bank.hex()]},
                },
            }
        )
    )
    variables = {"instalment": "500.00"}
    invoice = world.shop.invoice(
        world.ledger, 2_400, "EUR", "wine", policy=policy, variables=variables
    )
    world.wallet.prepare_payment(world.ledger, 1, invoice)
    return world.shop.request_of(1)


def _one_predicate(world: World) -> Policy:
    ten = {"schema": TEN.hash.hex(), "issuers": [world.other.hex()]}
    prove = ["field_0 >= 900"]
    return Policy.parse(json.dumps({"title": "T", "prove": prove, "credentials": {"ten": ten}}))


class Anoncreds:
    """The same predicate on a credential of ten attributes."""

    ISSUER = "did:example:issuer"
    SCHEMA, DEFINITION = f"{ISSUER}/schema", f"{ISSUER}/definition"

    def __init__(self, package: ModuleType) -> None:
        self.package = package
        names = list(NUMBERS)
        schema = package.Schema.create("benchmark", "1.0", self.ISSUER, names)
        create = package.CredentialDefinition.create
        definition, private, proof = create(self.SCHEMA, schema, self.ISSUER, "tag", "CL")
        self.public = {self.SCHEMA: schema}, {self.DEFINITION: definition}
        self.secret = package.create_link_secret()
        offer = package.CredentialOffer.create(self.SCHEMA, self.DEFINITION, proof)
        request, metadata = package.CredentialRequest.create(
            secrets.token_hex(16), None, definition, self.secret, "main", offer
        )
        values = {name: str(value) for name, value in NUMBERS.items()}
        issued = package.Credential.create(definition, private, offer, request, values)
        self.credential = issued.process(metadata, self.secret, definition)
        predicate = {"name": names[0], "p_type": ">=", "p_value": 900}
        wanted = {
            "name": "benchmark",
            "version": "1.0",
            "nonce": package.generate_nonce(),
            "requested_attributes": {},
            "requested_predicates": {"one": predicate},
        }
        self.wanted = package.PresentationRequest.load(json.dumps(wanted))
        self.made = self.prove()

    def prove(self) -> str:
        chosen = self.package.PresentCredentials()
        chosen.add_predicates(self.credential, "one")
        made = self.package.Presentation.create(self.wanted, chosen, {}, self.secret, *self.public)
        found: str = made.to_json()
        return found

    def verify(self) -> None:
        assert self.package.Presentation.load(self.made).verify(self.wanted, *self.public)


def _seed() -> Seed:
    return Seed.from_bytes(secrets.token_bytes(32))


if __name__ == "__main__":
    main()
