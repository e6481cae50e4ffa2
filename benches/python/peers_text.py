"""The words of benches/PEERS.md: what is compared, and in what each contestant differs."""

from __future__ import annotations

from race import OURS

HEAD = """# Peers on the same work

Ours beside other packages, all from one run of one command. Written by
`benches/python/peers_report.py`; our own figures and aims are in [RESULTS.md](RESULTS.md)."""

METHOD = """Contestants of a row run in turns in one process, on one thread; the least processor
time of 4 to 28 runs in four passes counts. Numbers in brackets are divided by those of the first
row, which is ours: **above 1 the first row is faster or smaller, below 1 the other is**. Proofs,
signatures and commitments come as bytes and are decoded with all the tests that the package has;
keys and parameters are ready. A batch takes turns among 64 different proofs. All crates are
compiled alike, without `target-cpu=native`: blst and curve25519-dalek choose their instructions
at run time, arkworks (bulletproofs_plus_plus, bbs_plus) and bls12_381_plus (zkryptium) have
portable code only. `–`: the package has no such function. A load above 1 means that other work
took turns with this: then ratios within a row hold, and times are too high.

Not measured: the publicly verifiable variant of anonymous credit tokens
(`anonymous-credit-tokens-public`): its source is public, but the crate registry does not have
it. It would be the nearest peer of all."""

RANGE = """## Range proofs

One committed value lies in [0, 2^bits). Ours is a circuit of one commitment and one range
(`benches/peers/src/own.rs`) for the engine that proves whole spends; times in µs, sizes in bytes.
Ours trades size for time: it grows by 32 bytes a bit and is proved faster. Alone it verifies
slower than a Bulletproof on the smaller curve. In a batch the generators are shared by all
proofs, and each adds four points to the sum where a Bulletproof+ adds 2·log2(bits) + 4."""

RANGE_WORKS = {
    "prove": "prove",
    "verify": "verify one",
    "verify in batch": "each of 256",
    "proof": "proof bytes",
}
RANGE_NOTES = {
    OURS: "BLS12-381 G1 (381-bit field)",
    "bulletproofs": "ristretto255 (255-bit field); aggregates values of one prover, no batches",
    "tari_bulletproofs_plus": "ristretto255; a batch shares the generators",
    "bulletproofs_plus_plus": "BLS12-381 G1, digits of four bits; no batches",
}

SPEND = """## Spending credit

Amounts of 32 bits. The first row proves the peer's own statement with our engine: an old token
was signed, its serial is public, so is the amount, and what is left is not negative. The ledger's
own spend hides the amount (a second range, and a claim for the shop) and, with K = 1, has a due
bucket. "and sign" is what an issuer does with a spend: it verifies it and signs the next token,
in the peer one call. *Sent* counts statement and proof. Ratios are to the first row."""

SPEND_WORKS = {
    "prove": "prove",
    "verify": "verify",
    "verify in batch": "each of 256",
    "verify and sign": "verify and sign",
    "verify and sign in batch": "and sign, each of 256",
    "sent": "sent bytes",
}
SPEND_NOTES = {
    "zkcredit, amount public": "BLS12-381; anybody can verify",
    "zkcredit, K = 0": "the same; amount hidden, two ranges, a claim",
    "zkcredit, K = 1": "the same and a due bucket: the ledger's purchase",
    "anonymous-credit-tokens": "ristretto255; only the issuer, with its secret key, can verify;"
    " amount public; no batches; CBOR",
}

BBS = """## BBS signatures

Ten messages, five of them shown. zkryptium implements the same draft: the run checks that both
make the same signature and accept each other's proofs. Times in µs."""

BBS_WORKS = {
    "sign": "sign",
    "verify": "verify",
    "prove": "prove",
    "verify proof": "verify proof",
    "verify proofs in batch": "each of 256 proofs",
    "proof": "proof bytes",
}
BBS_NOTES = {
    OURS: "SHA-256 suite; generators and their tables are kept",
    "zkryptium": "the same bytes; derives the generators at every call; no batches",
    "bbs_plus": "not the draft: ePrint 2023/275, appendix A, on scalars that it need not hash;"
    " batches share the pairing only",
}

# The works whose figures are bytes.
SIZES = {"proof", "sent"}

UNITS = {"range": "{} bits", "spend": "{} bits", "bbs": "{} messages"}

BATCH = """## Cost against batch size

![Verification of each proof against the number of proofs in a batch](peers/batch.svg)

µs for each proof. tari_bulletproofs_plus cuts batches at 256."""

BATCH_LINES = [
    ("spend, K = 1", OURS, "spend, K = 1, zkcredit"),
    ("range, 64 bits", OURS, "range of 64 bits, zkcredit"),
    ("range, 64 bits", "tari_bulletproofs_plus", "range of 64 bits, tari_bulletproofs_plus"),
    ("BBS, 5 of 10 shown", OURS, "BBS, zkcredit"),
    ("BBS, 5 of 10 shown", "bbs_plus", "BBS, bbs_plus"),
]

CURVES = """## Cost against the size of the statement

![Proving, verification and proof bytes against bits, K and M](peers/sizes.svg)

Ours only. First the range proof against its bits (a batch is 256), then the ledger's spend of
32-bit amounts against the number K of due buckets (M = 0) and of attributes M (K = 1; a batch is
64). K > 1 adds a range for each bucket; an attribute adds one response and no range."""

CURVE_WORKS = {
    "prove": "prove, µs",
    "verify": "verify one, µs",
    "verify in batch": "each in batch, µs",
    "proof": "proof, bytes",
}

PYTHON = """## Python packages

`benches/python/bench_*.py`, one thread of ours, least processor time, 2 seconds for each work."""

BENCHES = {
    "bench_bls": (
        "BLS signatures",
        (
            "All get bytes and decode them with subgroup tests; `keys decoded` leaves out what the"
            " others do. chia_rs has the augmented scheme only, which costs the same."
        ),
    ),
    "bench_hashing": ("BLAKE3", "Beside `blake3` and SHA-256 of the standard library."),
    "bench_bbs": (
        "BBS, ten messages, five shown",
        (
            "Not comparable: ursa implements an older BBS+ with other bytes; py_ecc has arithmetic"
            " only, and its row is two pairings, the least that any verification needs."
        ),
    ),
    "bench_anoncreds": (
        "A credential of ten attributes, five shown",
        (
            "Not comparable in what it rests on: anoncreds is CL-RSA with 2,048 bits (about 112"
            " bits of security), binds a link secret and exchanges JSON."
        ),
    ),
}
