"""What revocation by signed gaps costs, beside issuing everything anew.

    python benches/python/revocation.py [--credentials 1000000]

One core, processor time. For 1 % and 10 % revoked: signing and writing the list of an
epoch; its bytes; what a holder does with it (hash, decode, find its gap, verify it); what
the proof of not being revoked adds to a presentation. An epoch of short-lived credentials
signs every credential that is still valid again.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable

os.environ["RAYON_NUM_THREADS"] = "1"

from zkcredit._native import (
    Circuit,
    IssuerKey,
    Prover,
    Seed,
    Statement,
    blake3_hash,
    commit,
    verify,
    verify_messages,
)
from zkcredit.credentials.builtin import IDENTITY
from zkcredit.credentials.held import EXPIRES, HANDLE
from zkcredit.credentials.revocation import HANDLE_END, RevocationList

LEDGER, ISSUER = bytes(32), bytes([1]) * 32
PLACE = (LEDGER, ISSUER, IDENTITY.hash, 1)
SEED = Seed.from_bytes(bytes([2]) * 32)
KEY = IssuerKey.derive(SEED, b"revocation bench")
HEADER = b"credential"
FIELDS = [f"f{place}" for place in range(len(IDENTITY.fields))]
REPEAT = 15
REISSUED = 2_000

CREDENTIAL = """
name = "shown"
version = 1
parameters = []
[[public]]
name = "today"
meaning = "day of the request"
{secrets}
[[signature]]
id = "shown.credential"
name = "credential"
messages = ["blind", "owner", "handle", "expires", {fields}]
reason = "the issuer signed it"
[[constraint]]
id = "shown.valid"
range = "expires - today"
bits = "22"
reason = "not expired"
"""
GAP = """
[[signature]]
id = "shown.gap"
name = "gap"
messages = ["lo", "hi"]
reason = "the issuer signed the gap"
[[constraint]]
id = "shown.above"
range = "handle - lo - 1"
bits = "32"
reason = "inside the gap"
[[constraint]]
id = "shown.below"
range = "hi - handle - 1"
bits = "32"
reason = "inside the gap"
"""


def timed(call: Callable[[], object], repeat: int = REPEAT) -> float:
    """Least processor time of one call, in milliseconds."""
    best = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return 1_000 * best


def circuit(gap: bool) -> Circuit:
    """A credential shown whole but hidden, with or without the proof of its gap."""
    names = ["blind", "owner", "handle", "expires", *FIELDS, *(["lo", "hi"] if gap else [])]
    secrets = "\n".join(f'[[secret]]\nname = "{name}"\nmeaning = "signed"' for name in names)
    text = CREDENTIAL.format(secrets=secrets, fields=", ".join(f'"{name}"' for name in FIELDS))
    return Circuit.compile(text + (GAP if gap else ""), {})


def presentation(gap: bool) -> tuple[int, float, float]:
    """Bytes of a proof, milliseconds to prove and to verify it."""
    compiled = circuit(gap)
    witness = {name: 1_000 + place for place, name in enumerate(FIELDS)}
    witness |= {"blind": 5, "owner": 6, "handle": 777, "expires": 800_000}
    key = KEY.public_key
    keys = [(key, HEADER)]
    signatures = KEY.sign_messages(HEADER, [[witness[x] for x in _ORDER]])
    if gap:
        keys.append((key, b"gap"))
        signatures += KEY.sign_messages(b"gap", [[700, 900]])
        witness |= {"lo": 700, "hi": 900}
    publics = {"today": 750_000}

    def prove() -> bytes:
        prover = Prover(
            compiled, keys=keys, signatures=signatures, publics=publics, witness=witness
        )
        return prover.prove(LEDGER, bytes(32), SEED)

    statement = Statement(
        compiled, ledger_id=LEDGER, context=bytes(32), keys=keys, publics=publics, points={}
    )
    proof = prove()
    return len(proof), timed(prove), timed(lambda: verify(statement, proof))


_ORDER = ["blind", "owner", "handle", "expires", *FIELDS]


def reissue_ms() -> float:
    """Milliseconds to sign one credential again under the next epoch's header."""
    request = commit([(("H", 0), 5), (("H", 1), 6)])
    added = [(HANDLE, 7), (EXPIRES, 8)] + [(4 + n, 9 + n) for n in range(len(FIELDS))]
    items = [(HEADER, IDENTITY.message_count, request, bytes(32), added)] * REISSUED
    return timed(lambda: KEY.sign_commitments(items), 3) / REISSUED


def lists(credentials: int, revoked: int) -> None:
    """Prints what one epoch costs issuer and holder."""
    source = random.Random(revoked)
    handles = source.sample(range(1, HANDLE_END), credentials)
    gone = handles[:revoked]
    start = time.process_time()
    signed = RevocationList.sign(KEY, PLACE, 1, gone)
    seconds = time.process_time() - start
    data = signed.encode()
    hash_ms = timed(lambda: blake3_hash(data), 5)
    decode_ms = timed(lambda: RevocationList.decode(data), 5)
    found = RevocationList.decode(data)
    mine = handles[-1]
    find_ms = timed(lambda: found.gap(mine))
    gap = found.gap(mine)
    assert gap is not None
    bounds = [gap.lo, gap.hi]
    check_ms = timed(lambda: verify_messages(KEY.public_key, found.header, bounds, gap.signature))
    print(f"{revoked:,} of {credentials:,} revoked")
    print(f"  issuer signs {revoked + 1:,} gaps in {seconds:.1f} s")
    print(f"  list of {len(data):,} bytes")
    print(
        f"  holder: hash {hash_ms:.1f} ms, decode {decode_ms:.1f} ms, find {find_ms:.3f} ms, "
        f"verify {check_ms:.2f} ms"
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--credentials", type=int, default=1_000_000)
    credentials = parser.parse_args().credentials
    for share in (100, 10):
        lists(credentials, credentials // share)
    each_ms = reissue_ms()
    print(
        f"issuing {credentials:,} credentials anew: {each_ms:.3f} ms each, "
        f"{each_ms * credentials / 1_000:.0f} s"
    )
    without, with_gap = presentation(gap=False), presentation(gap=True)
    for name, (size, prove_ms, verify_ms) in (("without", without), ("with", with_gap)):
        print(
            f"presentation {name} gap: {size:,} bytes, prove {prove_ms:.1f} ms, "
            f"verify {verify_ms:.1f} ms"
        )


if __name__ == "__main__":
    main()
