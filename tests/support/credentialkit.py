"""Issuers, holders and verifiers of credentials for tests of policies, signing by hand."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from kit import Clock, seed

from zkcredit import digests
from zkcredit._native import BlsKey, IssuerKey, SecretScalar, blake3_hash
from zkcredit.credentials.builtin import CREDIT_HISTORY, IDENTITY, INCOME
from zkcredit.credentials.held import Gap, HeldCredential, Slot
from zkcredit.credentials.lists import ListPlace, SignedList
from zkcredit.credentials.schema import Schema, Value
from zkcredit.entries import (
    CredentialKeyStatement,
    IssuerStatement,
    KeyAction,
    MerchantStatement,
    RevocationStatement,
    SchemaStatement,
    Statement,
    Submission,
)
from zkcredit.keys import WalletKeys
from zkcredit.ledger import Operator
from zkcredit.policies.clauses import to_scalar
from zkcredit.policies.policy import Policy
from zkcredit.policies.present import plan, present
from zkcredit.policies.presentation import Presentation
from zkcredit.policies.request import PresentationRequest, make_request, own_request
from zkcredit.policies.verify import Disclosure, verify

EXPIRES = dt.date(2030, 12, 31)
PERSON: dict[str, Value] = {
    "given_names": "Ada Maria",
    "family_name": "Muster",
    "birth_date": dt.date(2001, 5, 31),
    "country": "AT",
    "document_hash": "P1234567",
    "verification_level": 3,
    "person": "7f3a9c",
}
INCOMES: dict[str, Value] = {
    "income": 250_000,
    "since": dt.date(2020, 1, 1),
    "employer_hash": "ACME",
}
HISTORY: dict[str, Value] = {
    "periods": 24,
    "on_time_periods": 20,
    "days_late": 31,
    "as_of": dt.date(2025, 12, 1),
}


@dataclass
class Issuer:
    """A registered issuer that signs whatever a test wants."""

    ledger: Operator
    name: str
    schemas: Sequence[Schema] = ()
    handles: int = 0
    id: bytes = b""
    epochs: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.seed = seed(("issuer", self.name))
        self.bls = BlsKey.derive(self.seed, b"issuer")
        statement = IssuerStatement(self.bls.public_key, self.name)
        self.submit(statement, self.bls.prove_possession())
        self.id = digests.issuer_id(self.ledger.ledger_id, statement.encode())
        for schema in self.schemas:
            self.offer(schema)

    def submit(self, statement: Statement, possession: bytes = b"") -> None:
        digest = digests.registration_digest(self.ledger.ledger_id, statement.encode())
        self.ledger.submit(Submission(statement, possession + self.bls.sign(digest)))

    def key(self, schema: Schema, number: int = 1) -> IssuerKey:
        return IssuerKey.derive(self.seed, schema.hash + bytes([number]))

    def publish(self, schema: Schema) -> None:
        if schema.hash not in self.ledger.registry.schemas:
            self.submit(SchemaStatement(self.id, schema.encode()))

    def offer(self, schema: Schema, number: int = 1) -> None:
        """Publishes the schema, opens a key and the first revocation list."""
        self.publish(schema)
        key = self.key(schema, number).public_key
        self.submit(CredentialKeyStatement(self.id, schema.hash, number, KeyAction.OPEN, key))
        if schema.revocable and not schema.is_list:
            self.next_epoch(schema, number)

    def publish_list(self, schema: Schema, items: Iterable[int], *, gaps: bool) -> SignedList:
        """The next version of a list, under the owner's newest key (the first is opened)."""
        if not self.ledger.registry.current_credential_key(self.id, schema.hash):
            self.offer(schema)
        number = self.ledger.registry.current_credential_key(self.id, schema.hash)
        version = self.ledger.registry.credential_key(self.id, schema.hash, number).epoch + 1
        place = ListPlace(self.ledger.ledger_id, self.id, schema.hash, number, version)
        kind = schema.fields[0].type
        signed = SignedList.sign(self.key(schema, number), place, kind, items, gaps=gaps)
        self.anchor(signed)
        return signed

    def anchor(self, signed: SignedList) -> None:
        """Puts a list onto the ledger, whatever is in it."""
        data = signed.encode()
        self.submit(RevocationStatement(*signed.place[1:], blake3_hash(data)))
        self.ledger.attach(data)

    def close(self, schema: Schema, number: int = 1) -> None:
        self.submit(CredentialKeyStatement(self.id, schema.hash, number, KeyAction.CLOSE))

    def next_epoch(self, schema: Schema, number: int = 1) -> int:
        """Publishes (the hash of) another revocation list."""
        registry = self.ledger.registry
        epoch = registry.credential_key(self.id, schema.hash, number).epoch + 1
        digest = hashlib.sha256(bytes([epoch])).digest()
        self.submit(RevocationStatement(self.id, schema.hash, number, epoch, digest))
        return epoch

    def gap(self, schema: Schema, lo: int, hi: int, *, epoch: int = 0, number: int = 1) -> Gap:
        """A signed gap, by default of the newest epoch."""
        key = self.ledger.registry.credential_key(self.id, schema.hash, number)
        epoch = epoch or key.epoch
        place = (self.ledger.ledger_id, self.id, schema.hash, number)
        header = digests.gap_header(*place, epoch)
        (signature,) = self.key(schema, number).sign_messages(header, [[lo, hi]])
        return Gap(epoch=epoch, lo=lo, hi=hi, signature=signature)

    def issue(
        self,
        keys: WalletKeys,
        schema: Schema,
        values: Mapping[str, Value],
        *,
        expires: dt.date = EXPIRES,
        number: int = 1,
        owner: Any = None,
    ) -> HeldCredential:
        """A credential for the holder of ``keys`` (or of the secret ``owner``)."""
        self.handles += 1
        slot = Slot(self.id, schema.hash, number, self.handles)
        scalars = [item.scalar(values[item.name]) for item in schema.fields]
        head = [
            keys.credential_blind(*slot),
            keys.owner if owner is None else owner,
            self.handles,
            expires.toordinal(),
        ]
        header = slot.header(self.ledger.ledger_id)
        messages = [*head, *map(to_scalar, scalars)]
        (signature,) = self.key(schema, number).sign_messages(header, [messages])
        return HeldCredential(
            number=self.handles,
            ledger_id=self.ledger.ledger_id,
            issuer_id=self.id,
            encoded_schema=schema.encode(),
            key_number=number,
            ordinal=self.handles,
            handle=self.handles,
            expires=expires,
            texts=[item.format(values[item.name]) for item in schema.fields],
            signature=signature,
            gap=self.gap(schema, 0, 1 << 32, number=number) if schema.revocable else None,
        )


@dataclass
class Scene:
    """A ledger with a registrar, a bank, a shop, and a holder with three credentials."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.ledger = Operator.create(None, clock=self.clock)
        self.registrar = Issuer(self.ledger, "Registrar", (IDENTITY,))
        self.bank = Issuer(self.ledger, "Bank", (INCOME, CREDIT_HISTORY))
        self.lister = Issuer(self.ledger, "Lister")
        self.shop_key = BlsKey.derive(seed("shop"), b"merchant")
        self.shop_id = self.register_shop(self.shop_key, "Wine shop")
        self.keys = WalletKeys(seed("holder"))
        self.identity = self.registrar.issue(self.keys, IDENTITY, PERSON)
        self.income = self.bank.issue(self.keys, INCOME, INCOMES)
        self.history = self.bank.issue(self.keys, CREDIT_HISTORY, HISTORY)

    @property
    def registry(self) -> Any:
        return self.ledger.registry

    @property
    def holdings(self) -> list[HeldCredential]:
        return [self.identity, self.income, self.history]

    def close(self) -> None:
        self.ledger.close()

    def register_shop(self, key: BlsKey, name: str) -> bytes:
        statement = MerchantStatement(key.public_key, name)
        digest = digests.registration_digest(self.ledger.ledger_id, statement.encode())
        evidence = key.prove_possession() + key.sign(digest)
        self.ledger.submit(Submission(statement, evidence))
        return digests.merchant_id(self.ledger.ledger_id, statement.encode())

    def list_table(self, name: str) -> str:
        """The table of a policy that names a list of the lister."""
        return f'[lists.{name}]\nissuer = "{self.lister.id.hex()}"\n'

    def policy(
        self,
        prove: Iterable[str] = (),
        reveal: Iterable[str] = (),
        *,
        credentials: Sequence[str] = ("identity",),
        extra: str = "",
        tables: str = "",
    ) -> Policy:
        """A policy over the scene's credentials."""
        issuers = {"identity": self.registrar.id}
        lines = [
            'title = "Wine"',
            f"reveal = {_list(reveal)}",
            f"prove = {_list(prove)}",
            extra,
        ]
        for alias in credentials:
            schema = "credit-history" if alias == "history" else alias
            issuer = issuers.get(alias, self.bank.id).hex()
            lines += [f"[credentials.{alias}]", f'schema = "{schema}"', f'issuers = ["{issuer}"]']
        return Policy.parse("\n".join([*lines, tables]))

    def request(self, policy: Policy, **options: Any) -> PresentationRequest:
        return make_request(
            self.registry, self.shop_key, self.shop_id, policy, now_ms=self.clock(), **options
        )

    def present(
        self,
        request: PresentationRequest,
        *,
        holdings: Sequence[HeldCredential] | None = None,
        keys: WalletKeys | None = None,
        bound: Any = None,
    ) -> Presentation:
        found = self.holdings if holdings is None else holdings
        consent = plan(self.ledger, request, found, self.clock())
        consent.given = True
        return present(self.registry, consent, keys or self.keys, bound)

    def verify(self, request: PresentationRequest, presentation: Presentation) -> Disclosure:
        asked = own_request(self.registry, request, self.clock())
        return verify(self.registry, asked, presentation)

    def check(self, policy: Policy, **options: Any) -> Disclosure:
        """Request, presentation, verification."""
        request = self.request(policy)
        return self.verify(request, self.present(request, **options))


def changed(held: HeldCredential, **values: Value) -> HeldCredential:
    """The credential with values that its issuer has not signed."""
    said = {**held.values, **values}
    texts = [item.format(said[item.name]) for item in held.schema.fields]
    return msgspec.structs.replace(held, texts=texts)


def secret(name: object) -> SecretScalar:
    """A secret scalar of this name."""
    return seed(name).scalar("test", b"")


def _list(items: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{item}"' for item in items) + "]"
