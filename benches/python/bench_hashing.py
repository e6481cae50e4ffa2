"""BLAKE3 beside the blake3 package and hashlib, in one run.

python benches/python/bench_hashing.py
python benches/python/bench_hashing.py --threads 2   # many inputs on two cores
"""

from __future__ import annotations

import hashlib

import race

ARGUMENTS = race.options(__doc__)

from zkcredit import hashing  # noqa: E402 - after the number of threads is set

SIZES = [("32 B", 32, 4000), ("1 KiB", 1 << 10, 1000), ("64 KiB", 1 << 16, 40)]
SIZES += [("1 MiB", 1 << 20, 4), ("16 MiB", 1 << 24, 1)]


def main() -> None:
    print(race.OURS)
    blake3 = race.peer("blake3")
    track = race.Track(ARGUMENTS)
    for name, size, count in SIZES:
        data = bytes(range(256)) * (size // 256) or bytes(size)
        track.race(
            f"hash {name}",
            {
                race.OURS: race.repeat(lambda data=data: hashing.blake3(data), count),
                "blake3": blake3
                and race.repeat(lambda data=data: blake3.blake3(data).digest(), count),
                "hashlib.sha256": race.repeat(
                    lambda data=data: hashlib.sha256(data).digest(), count
                ),
            },
            per=count,
        )
    key = bytes(range(32))
    data = bytes(1 << 10)
    track.race(
        "keyed hash 1 KiB",
        {
            race.OURS: race.repeat(lambda: hashing.keyed(key, data), 1000),
            "blake3": blake3 and race.repeat(lambda: blake3.blake3(data, key=key).digest(), 1000),
        },
        per=1000,
    )
    track.race(
        "1 MiB in pieces of 4 KiB",
        {
            race.OURS: lambda: _pieces(hashing.Hasher()),
            "blake3": blake3 and (lambda: _pieces(blake3.blake3())),
        },
    )
    for size in (32, 100, 1000):
        inputs = [n.to_bytes(4, "big") * (size // 4) for n in range(10_000)]
        packed, lengths = b"".join(inputs), [len(item) for item in inputs]
        track.race(
            f"each of 10,000 inputs of {size} B",
            {
                f"{race.OURS}, list": lambda inputs=inputs: hashing.many(inputs),
                f"{race.OURS}, one buffer": lambda p=packed, n=lengths: hashing.many_packed(p, n),
                f"{race.OURS}, one by one": lambda inputs=inputs: [
                    hashing.blake3(i) for i in inputs
                ],
                "blake3, one by one": blake3
                and (lambda inputs=inputs: [blake3.blake3(i).digest() for i in inputs]),
                "hashlib.sha256": lambda inputs=inputs: [
                    hashlib.sha256(i).digest() for i in inputs
                ],
            },
            per=len(inputs),
        )


def _pieces(hasher: object) -> None:
    piece = bytes(4096)
    for _ in range(256):
        hasher.update(piece)
    hasher.digest()


if __name__ == "__main__":
    main()
