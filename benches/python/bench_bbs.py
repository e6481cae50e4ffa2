"""BBS signatures with ten messages beside ursa-bbs-signatures and py_ecc, in one run.

    python benches/python/bench_bbs.py
    python benches/python/bench_bbs.py --threads 2   # batches on two cores

Not comparable: ursa implements an older BBS+ (112-byte signatures, no published draft);
for py_ecc, which has curve arithmetic only, the row is two pairings: the least that any
verification of a proof needs.
"""

from __future__ import annotations

import race

ARGUMENTS = race.options(__doc__)

from zkcredit import bbs  # noqa: E402 - after the number of threads is set

MESSAGES = [b"field %d: some value" % n for n in range(10)]
SHOWN = [0, 2, 4, 6, 8]
NONCE = b"nonce"


def main() -> None:
    print(race.OURS)
    ursa = race.peer("ursa_bbs_signatures", "ursa-bbs-signatures")
    ecc = race.peer("py_ecc.optimized_bls12_381", "py_ecc")
    theirs = ursa and Ursa(ursa)
    track = race.Track(ARGUMENTS)
    for suite in bbs.SUITES:
        _core(track, suite, theirs if suite == "SHA-256" else None, ecc)
    for issuers in (1, 8):
        _batches(track, issuers)
    _blind(track)


def _core(track: race.Track, suite: str, theirs: Ursa | None, ecc: object) -> None:
    key = bbs.generate(bytes(32), suite=suite)
    public, signature = key.public_key, bbs.sign(key, MESSAGES)

    def prove() -> bytes:
        return bbs.prove(public, signature, MESSAGES, SHOWN, presentation_header=NONCE, suite=suite)

    proof, shown = prove(), {n: MESSAGES[n] for n in SHOWN}

    def verify() -> None:
        bbs.verify_proof(public, proof, shown, presentation_header=NONCE, suite=suite)

    name = f"{race.OURS} {suite}"
    track.race("sign 10", {name: lambda: bbs.sign(key, MESSAGES), "ursa": theirs and theirs.sign})
    track.race(
        "verify 10",
        {
            name: lambda: bbs.verify(public, signature, MESSAGES, suite=suite),
            "ursa": theirs and theirs.verify,
        },
    )
    track.race("prove 10, 5 shown", {name: prove, "ursa": theirs and theirs.prove})
    with_ecc = ecc and (lambda: [ecc.pairing(ecc.G2, ecc.G1) for _ in range(2)])
    track.race(
        "verify proof",
        {name: verify, "ursa": theirs and theirs.verify_proof, "py_ecc, 2 pairings": with_ecc},
    )


def _batches(track: race.Track, issuers: int) -> None:
    keys = [bbs.generate(bytes([n]) * 32) for n in range(issuers)]
    signatures = [bbs.sign(key, MESSAGES) for key in keys]
    items = []
    for n in range(256):
        key, signature, nonce = keys[n % issuers], signatures[n % issuers], b"%d" % n
        proof = bbs.prove(key.public_key, signature, MESSAGES, SHOWN, presentation_header=nonce)
        items.append((key.public_key, proof, b"", nonce, {i: MESSAGES[i] for i in SHOWN}))
    for size in (16, 256):
        track.race(
            f"each of {size} proofs, {issuers} issuer(s)",
            {race.OURS: lambda size=size: bbs.verify_batch(items[:size])},
            per=size,
        )


def _blind(track: race.Track) -> None:
    key = bbs.generate(bytes(32))
    own, mine = MESSAGES[:5], MESSAGES[5:]
    nym, entropy = bbs.random_secret(), bbs.random_secret().expose()
    commitment, blind = bbs.commit_with_nym(mine, nym)
    signature = bbs.blind_sign_with_nym(key, commitment, entropy, own)
    holding = bbs.Holding(key.public_key, signature, own, mine, blind)
    [secret] = bbs.finalize_with_nym(holding, nym, entropy)
    proof, pseudonym = bbs.prove_with_nym(holding, secret, b"shop", [0])

    def verify() -> None:
        bbs.verify_proof_with_nym(
            key.public_key, proof, pseudonym, b"shop", 5, shown={0: MESSAGES[0]}
        )

    rows = {
        "commit to 5 and a nym": lambda: bbs.commit_with_nym(mine, nym),
        "blind sign 5 + 5": lambda: bbs.blind_sign_with_nym(key, commitment, entropy, own),
        "prove with pseudonym": lambda: bbs.prove_with_nym(holding, secret, b"shop", [0]),
        "verify with pseudonym": verify,
    }
    for work, run in rows.items():
        track.race(work, {race.OURS: run})


class Ursa:
    """The same work with ursa-bbs-signatures."""

    def __init__(self, ursa: object) -> None:
        self.ursa = ursa
        self.texts = [message.decode() for message in MESSAGES]
        self.pair = ursa.BlsKeyPair.generate_g2()
        self.key = self.pair.get_bbs_key(len(MESSAGES))
        self.signature = self.sign()
        self.proof = self.prove()

    def sign(self) -> bytes:
        request = self.ursa.SignRequest(key_pair=self.pair, messages=self.texts)
        return self.ursa.sign(request)

    def verify(self) -> None:
        request = self.ursa.VerifyRequest(
            key_pair=self.pair, messages=self.texts, signature=self.signature
        )
        assert self.ursa.verify(request)

    def prove(self) -> bytes:
        kinds = self.ursa.ProofMessageType
        messages = [
            self.ursa.ProofMessage(
                text, kinds.Revealed if n in SHOWN else kinds.HiddenProofSpecificBlinding
            )
            for n, text in enumerate(self.texts)
        ]
        request = self.ursa.CreateProofRequest(
            public_key=self.key, messages=messages, signature=self.signature, nonce=NONCE
        )
        return self.ursa.create_proof(request)

    def verify_proof(self) -> None:
        shown = [self.texts[n] for n in SHOWN]
        request = self.ursa.VerifyProofRequest(
            public_key=self.key, proof=self.proof, messages=shown, nonce=NONCE
        )
        assert self.ursa.verify_proof(request)


if __name__ == "__main__":
    main()
