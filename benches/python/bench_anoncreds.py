"""A credential of ten attributes beside anoncreds, in one run.

    python benches/python/bench_anoncreds.py

Not comparable in what they rest on: anoncreds is CL-RSA with 2,048 bits (about 112 bits of
security, one exponentiation per hidden attribute); ours is BBS on BLS12-381 (about 120 bits).
anoncreds binds a link secret and exchanges JSON, both as it comes.
"""

from __future__ import annotations

import json
import secrets
from types import ModuleType

import race

ARGUMENTS = race.options(__doc__)

from zkcredit import bbs  # noqa: E402 - after the number of threads is set

NAMES = [f"field_{n}" for n in range(10)]
VALUES = [f"{1000 + n}" for n in range(10)]
SHOWN = [0, 2, 4, 6, 8]
PEER = "anoncreds"


def main() -> None:
    print(race.OURS)
    package = race.peer(PEER)
    theirs = package and Anoncreds(package)
    track = race.Track(ARGUMENTS)
    messages = [value.encode() for value in VALUES]
    key = bbs.generate(bytes(32))
    public, signature = key.public_key, bbs.sign(key, messages)

    def prove() -> bytes:
        return bbs.prove(public, signature, messages, SHOWN, presentation_header=b"nonce")

    proof, shown = prove(), {n: messages[n] for n in SHOWN}

    def verify() -> None:
        bbs.verify_proof(public, proof, shown, presentation_header=b"nonce")

    track.race(
        "issue 10 attributes",
        {race.OURS: lambda: bbs.sign(key, messages), PEER: theirs and theirs.issue},
    )
    track.race(
        "present 10, 5 shown",
        {race.OURS: prove, PEER: theirs and theirs.present},
    )
    track.race(
        "verify presentation",
        {race.OURS: verify, PEER: theirs and theirs.verify},
    )
    print(f"\nbytes of a presentation: {race.OURS} {len(proof):,}, and the shown values;")
    if theirs:
        print(f"{PEER} {len(theirs.presentation):,} (JSON)")


class Anoncreds:
    """Issuer, holder and verifier of one credential."""

    ISSUER = "did:example:issuer"
    SCHEMA, DEFINITION = f"{ISSUER}/schema", f"{ISSUER}/definition"

    def __init__(self, package: ModuleType) -> None:
        self.package = package
        schema = package.Schema.create("benchmark", "1.0", self.ISSUER, NAMES)
        create = package.CredentialDefinition.create
        self.definition, self.private, proof = create(self.SCHEMA, schema, self.ISSUER, "tag", "CL")
        self.public = {self.SCHEMA: schema}, {self.DEFINITION: self.definition}
        self.link_secret = package.create_link_secret()
        self.offer = package.CredentialOffer.create(self.SCHEMA, self.DEFINITION, proof)
        self.request, metadata = package.CredentialRequest.create(
            secrets.token_hex(16), None, self.definition, self.link_secret, "main", self.offer
        )
        credential = self.issue()
        self.credential = credential.process(metadata, self.link_secret, self.definition)
        wanted = {
            "name": "benchmark",
            "version": "1.0",
            "nonce": package.generate_nonce(),
            "requested_attributes": {NAMES[n]: {"name": NAMES[n]} for n in SHOWN},
            "requested_predicates": {},
        }
        self.wanted = package.PresentationRequest.load(json.dumps(wanted))
        self.presentation = self.present()

    def issue(self) -> object:
        return self.package.Credential.create(
            self.definition,
            self.private,
            self.offer,
            self.request,
            dict(zip(NAMES, VALUES, strict=True)),
        )

    def present(self) -> str:
        chosen = self.package.PresentCredentials()
        chosen.add_attributes(self.credential, *(NAMES[n] for n in SHOWN))
        made = self.package.Presentation.create(
            self.wanted, chosen, {}, self.link_secret, *self.public
        )
        return made.to_json()

    def verify(self) -> None:
        assert self.package.Presentation.load(self.presentation).verify(self.wanted, *self.public)


if __name__ == "__main__":
    main()
