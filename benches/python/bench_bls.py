"""BLS signatures beside chia_rs, blspy, milagro, arkworks and py_ecc, in one run.

    python benches/python/bench_bls.py              # one core each
    python benches/python/bench_bls.py --threads 2  # ours on two, wall time

All get bytes and decode them with subgroup tests, as from a network, except in the rows
"decoded before" of libraries that have objects for points. chia_rs has the augmented
scheme only (message with key in front), which costs the same.
"""

from __future__ import annotations

import race

ARGUMENTS = race.options(__doc__)

from zkcredit import bls  # noqa: E402 - after the number of threads is set

COUNT = 128
TAG = bls.SIGNATURE_TAG


def main() -> None:
    print(race.OURS)
    chia, blspy = race.peer("chia_rs"), race.peer("blspy")
    milagro = race.peer("milagro_bls_binding", "milagro-bls-binding")
    arkworks = race.peer("py_arkworks_bls12381", "py-arkworks-bls12381")
    ecc = race.peer("py_ecc.bls", "py_ecc")
    keys = [bls.generate(bytes([1, n]) * 16) for n in range(COUNT)]
    publics = [key.public_key for key in keys]
    messages = [b"receipt %d" % n for n in range(COUNT)]
    signatures = [key.sign(m) for key, m in zip(keys, messages, strict=True)]
    items = list(zip(publics, messages, signatures, strict=True))
    track = race.Track(ARGUMENTS)

    def with_arkworks(public: bytes, message: bytes, signature: bytes) -> None:
        g1, g2, gt = arkworks.G1Point, arkworks.G2Point, arkworks.GT
        pairs = [-g1(), g1.from_compressed_bytes(public)]
        hashed = g2.hash_to_curve(message, TAG)
        assert gt.pairing_check(pairs, [g2.from_compressed_bytes(signature), hashed])

    def with_blspy(public: bytes, message: bytes, signature: bytes) -> None:
        decoded = blspy.G1Element.from_bytes(public), blspy.G2Element.from_bytes(signature)
        assert blspy.PopSchemeMPL.verify(decoded[0], message, decoded[1])

    def with_milagro(public: bytes, message: bytes, signature: bytes) -> None:
        assert milagro.Verify(public, message, signature)

    chia_items = chia and _augmented(chia)

    def with_chia(public: bytes, message: bytes, signature: bytes) -> None:
        decoded = chia.G1Element.from_bytes(public), chia.G2Element.from_bytes(signature)
        assert chia.AugSchemeMPL.verify(decoded[0], message, decoded[1])

    key, message, signature = items[0]
    track.race(
        "verify",
        {
            race.OURS: lambda: bls.verify(key, message, signature),
            "chia_rs (augmented)": chia and (lambda: with_chia(*chia_items[0])),
            "blspy": blspy and (lambda: with_blspy(*items[0])),
            "milagro": milagro and (lambda: with_milagro(*items[0])),
            "arkworks": arkworks and (lambda: with_arkworks(*items[0])),
            "py_ecc": ecc and (lambda: ecc.G2ProofOfPossession.Verify(*items[0])),
        },
    )
    track.race(
        "sign",
        {
            race.OURS: lambda: keys[0].sign(message),
            "blspy": blspy and _blspy_signer(blspy, keys[0].expose(), message),
            "milagro": milagro and (lambda: milagro.Sign(keys[0].expose(), message)),
        },
    )
    track.race(
        f"each of {COUNT} in a batch",
        {
            race.OURS: lambda: bls.verify_batch(items),
            "milagro, batch": milagro and _milagro_batch(milagro, items),
            "chia_rs, one by one": chia and race.all_of(with_chia, chia_items),
            "blspy, one by one": blspy and race.all_of(with_blspy, items),
            "arkworks, one by one": arkworks and race.all_of(with_arkworks, items),
        },
        per=COUNT,
    )
    same = [(key.public_key, message, key.sign(message)) for key in keys]
    track.race(
        f"each of {COUNT}, same message",
        {
            race.OURS: lambda: bls.verify_batch(same),
            "milagro, batch": milagro and _milagro_batch(milagro, same),
            "blspy, one by one": blspy and race.all_of(with_blspy, same),
        },
        per=COUNT,
    )
    total = bls.aggregate([signature for _, _, signature in same])
    g1s = blspy and [blspy.G1Element.from_bytes(public) for public in publics]
    track.race(
        f"fast aggregate verify, {COUNT} keys",
        {
            race.OURS: lambda: bls.fast_aggregate_verify(publics, message, total),
            "blspy": blspy and (lambda: _blspy_fast(blspy, publics, message, total)),
            "blspy, keys decoded": blspy
            and (
                lambda: _yes(
                    blspy.PopSchemeMPL.fast_aggregate_verify(
                        g1s, message, blspy.G2Element.from_bytes(total)
                    )
                )
            ),
            "milagro": milagro
            and (lambda: _yes(milagro.FastAggregateVerify(publics, message, total))),
        },
    )


def _yes(answer: bool) -> None:
    assert answer


def _augmented(chia: object) -> list[tuple[bytes, bytes, bytes]]:
    """Items of chia's scheme: its signatures cover the key as well."""
    items = []
    for n in range(COUNT):
        secret = chia.AugSchemeMPL.key_gen(bytes([1, n]) * 16)
        message = b"receipt %d" % n
        signature = chia.AugSchemeMPL.sign(secret, message)
        items.append((bytes(secret.get_g1()), message, bytes(signature)))
    return items


def _blspy_signer(blspy: object, secret: bytes, message: bytes) -> object:
    key = blspy.PrivateKey.from_bytes(secret)
    return lambda: bytes(blspy.PopSchemeMPL.sign(key, message))


def _blspy_fast(blspy: object, publics: list[bytes], message: bytes, total: bytes) -> None:
    keys = [blspy.G1Element.from_bytes(public) for public in publics]
    signature = blspy.G2Element.from_bytes(total)
    assert blspy.PopSchemeMPL.fast_aggregate_verify(keys, message, signature)


def _milagro_batch(milagro: object, items: list[tuple[bytes, bytes, bytes]]) -> object:
    sets = [(signature, public, message) for public, message, signature in items]
    return lambda: _yes(milagro.VerifyMultipleAggregateSignatures(sets))


if __name__ == "__main__":
    main()
