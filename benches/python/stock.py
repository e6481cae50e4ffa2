"""Distinct spend proofs made beforehand, kept in a cache folder between runs.

The tokens are signed directly with the lender's key of the period, so that 10,000 lines
need not be opened first; from the ledger's and the lender's side nothing differs.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from zkcredit import _native, digests
from zkcredit.codec import Writer
from zkcredit.entries import Kind, Statement, Submission
from zkcredit.keys import LenderKeys, WalletKeys
from zkcredit.ledger.operator import Operator
from zkcredit.ledger.store import Store
from zkcredit.ledger.verify import Batch
from zkcredit.lender import Lender
from zkcredit.relations import relation_for
from zkcredit.terms import Terms
from zkcredit.tokens import Product
from zkcredit.wallet.state import Token
from zkcredit.wallet.steps import Purchase, Steps

TERMS = Terms(currency="TWD", sign_within_ms=366 * 86_400_000)
FAR_MS = 1 << 60
PERIOD = 1
_LIMIT_MINOR = 5_000_000


@dataclass(frozen=True)
class Stock:
    """A ledger and a lender ready for purchases, and the submissions as bytes."""

    folder: Path
    lender_seed: bytes
    submissions: list[bytes]

    def copy(self, place: Path) -> tuple[Operator, Lender]:
        """Opens fresh copies of ledger and lender in the folder ``place``."""
        shutil.copytree(self.folder / "ledger", place / "ledger")
        shutil.copy(self.folder / "lender.db", place / "lender.db")
        seed = _native.Seed.from_bytes(self.lender_seed)
        return Operator.open(place / "ledger"), Lender.open(place / "lender.db", seed)

    def decoded(self) -> list[Submission]:
        return [Submission.decode(data) for data in self.submissions]


def cache_folder(name: str | None) -> Path:
    """The folder named, or one in the temporary folder that later runs find again."""
    return Path(name or Path(tempfile.gettempdir()) / f"zkcredit-bench-{os.getuid()}")


def place(cache: Path) -> Path:
    """The folder of the proofs of today's format in the cache."""
    digest = relation_for(Kind.SPEND, TERMS).digest.hex()[:16]
    return cache / f"spends-{digest}-{Store.VERSION}"


def load(cache: Path, count: int) -> Stock:
    """The stock of at least ``count`` proofs; made now if it is not in the cache."""
    folder = place(cache)
    if not (folder / "lender.seed").is_file():
        _found(folder)
    seed = (folder / "lender.seed").read_bytes()
    stock = Stock(folder, seed, _read(folder / "spends"))
    if len(stock.submissions) < count:
        _make(stock, count)
    if not _sound(stock):
        print("the cached proofs are of another format: making new ones", file=sys.stderr)
        shutil.rmtree(folder)
        return load(cache, count)
    return Stock(folder, seed, stock.submissions[:count])


def _found(folder: Path) -> None:
    """A ledger with one lender, its terms and an open period."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seed = secrets.token_bytes(32)
    with Operator.create(folder / "ledger", origin="bench.example/ledger") as ledger:
        lender = Lender.create(folder / "lender.db", _native.Seed.from_bytes(seed), "Bench Bank")
        lender.register(ledger)
        lender.open_period(ledger, lender.publish_terms(ledger, TERMS))
        lender.close()
    (folder / "lender.seed").write_bytes(seed)


def _make(stock: Stock, count: int) -> None:
    """Appends proofs until there are ``count``; what is there survives an interruption."""
    missing = count - len(stock.submissions)
    print(f"making {missing} proofs in {stock.folder} (kept for the next run)", file=sys.stderr)
    with Operator.open(stock.folder / "ledger", read_only=True) as ledger:
        registry = ledger.registry
    terms_hash = next(iter(registry.terms))
    key = LenderKeys(_native.Seed.from_bytes(stock.lender_seed)).period_key(terms_hash, PERIOD)
    product = Product.find(registry, terms_hash)
    started = time.perf_counter()

    def one(_: int) -> bytes:
        keys = WalletKeys(_native.Seed.from_bytes(secrets.token_bytes(32)))
        steps = Steps(registry, terms_hash, keys)
        pending = steps.spend(_token(key, product, keys), _purchase())
        statement = Statement.decode(pending.statement)
        return Submission(statement, pending.evidence, pending.memo).encode()

    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        (stock.folder / "spends").open("ab") as file,
    ):
        for position, data in enumerate(pool.map(one, range(missing)), start=1):
            file.write(Writer().var32(data).finish())
            stock.submissions.append(data)
            if position % 500 == 0:
                rate = position / (time.perf_counter() - started)
                print(f"  {position} ({rate:.0f}/s)", file=sys.stderr)


def _token(key: _native.IssuerKey, product: Product, keys: WalletKeys) -> Token:
    """A token as if its line had been opened: random serial, signed by the lender's key."""
    token = Token(
        period=PERIOD,
        blind=_scalar(),
        serial=_scalar(),
        account=1 + secrets.randbelow(1 << 31),
        available_minor=_LIMIT_MINOR,
        due_minor=[0],
        attributes=[],
    )
    messages = token.messages(keys.owner)
    commitment = _native.commit([(("H", i), value) for i, value in enumerate(messages)])
    header, no_tweak = product.header(PERIOD), bytes(32)
    signed = key.sign_commitments([(header, len(messages), commitment, no_tweak, [])])
    return Token(
        period=PERIOD,
        blind=token.blind,
        serial=token.serial,
        account=token.account,
        available_minor=token.available_minor,
        due_minor=token.due_minor,
        attributes=[],
        signature=signed[0][1],
    )


def _purchase() -> Purchase:
    return Purchase(
        amount_minor=1 + secrets.randbelow(_LIMIT_MINOR),
        rho=_scalar(),
        payee=digests.payee_hash(secrets.token_bytes(48)),
        invoice_hash=secrets.token_bytes(32),
        merchant_id=secrets.token_bytes(32),
        not_after_ms=FAR_MS,
        plan=1,
        label="bench",
    )


def _scalar() -> bytes:
    return _native.hash_to_scalar("zkcredit bench scalar", secrets.token_bytes(32))


def stream(path: Path) -> Iterator[bytes]:
    """The complete records of the file, one at a time; a torn last one is left out."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        while len(head := file.read(4)) == 4:
            size = int.from_bytes(head, "big")
            data = file.read(size)
            if len(data) < size:
                return
            yield data


def _read(path: Path) -> list[bytes]:
    """The complete records of the file; a torn last one is dropped and overwritten."""
    found = list(stream(path))
    whole = sum(4 + len(data) for data in found)
    if path.is_file() and path.stat().st_size > whole:
        with path.open("r+b") as file:
            file.truncate(whole)
    return found


def _sound(stock: Stock) -> bool:
    """Whether the first proof still verifies."""
    with Operator.open(stock.folder / "ledger", read_only=True) as ledger:
        batch = Batch(ledger.registry)
        batch.add(0, Submission.decode(stock.submissions[0]))
        return not batch.run()
