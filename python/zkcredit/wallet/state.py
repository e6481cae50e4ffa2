"""What a wallet remembers, and its bytes inside the vault.

Lines and history can be found again on the ledger with :attr:`WalletState.phrase`;
they are kept so that no step needs a scan. Credentials, the keys of records and what
verifiers were told are here only.
"""

from __future__ import annotations

from typing import Any

import msgspec

from zkcredit.credentials.held import HeldCredential
from zkcredit.entries import Kind
from zkcredit.errors import MalformedInput, Refused
from zkcredit.messages import prepare_types
from zkcredit.policies.memory import Told
from zkcredit.records.state import RecordsState
from zkcredit.state import Secretive

VERSION = 1

REQUESTED = "requested"
READY = "ready"
PENDING = "pending"
DISPUTED = "disputed"
CLOSED = "closed"


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token: the messages without the owner, and the issuer's signature (80 bytes).

    ``serial`` (32 bytes) becomes the nullifier. Before the reply is there the
    signature is empty and lender's adjustments are missing.
    """

    period: int
    blind: bytes
    serial: bytes
    account: int
    available_minor: int
    due_minor: list[int]
    attributes: list[int]
    signature: bytes = b""

    def __repr__(self) -> str:
        return "<Token>"

    def messages(self, owner: Any) -> list[Any]:
        """The signed messages in order; ``owner`` is the wallet's secret scalar."""
        head = [self.blind, owner, self.serial, self.account, self.available_minor]
        return [*head, *self.due_minor, *self.attributes]


class Pending(Secretive, kw_only=True):
    """A step that is proved and stored; ``index`` is set once the ledger has it.

    ``next`` is the token the reply will complete, ``rho`` (32 bytes) blinds the claim of
    a purchase, ``merchant_id`` names whose invoice it pays. ``refused`` is the rule if the
    ledger has said no.
    """

    kind: int
    statement: bytes
    evidence: bytes
    memo: bytes
    next: Token
    index: int | None = None
    amount_minor: int = 0
    plan: int = 1
    label: str = "-"
    invoice_hash: bytes = b""
    merchant_id: bytes = b""
    rho: bytes = b""
    refused: str | None = None

    @property
    def kind_name(self) -> str:
        """The step in lower case: ``spend``, ``statement`` …"""
        return Kind(self.kind).name.lower()


class Line(Secretive, kw_only=True):
    """One credit line. ``number`` names it in this wallet, ``ordinal`` in the derivation.

    ``added_minor`` and ``limit_changed_minor`` are what updates have put on the line
    since the last billing document; ``problem`` says why a line is disputed.
    """

    number: int
    ordinal: int
    ledger_id: bytes
    issuer_id: bytes
    terms_hash: bytes
    status: str = REQUESTED
    limit_minor: int = 0
    token: Token | None = None
    pending: Pending | None = None
    must_refresh: bool = False
    balance_minor: int = 0
    minimum_minor: int = 0
    added_minor: int = 0
    open_period: int = 0
    statement_period: int = 0
    statement_moment_ms: int | None = None
    documents: list[bytes] = msgspec.field(default_factory=list)
    disputed: bytes = b""
    problem: str | None = None

    @property
    def available_minor(self) -> int | None:
        """Credit that the current token holds, None before the first reply."""
        return None if self.token is None else self.token.available_minor

    def not_ready(self) -> Refused:
        """Why the line takes no new step now, and what helps."""
        why = {
            REQUESTED: "asked for: its lender has to grant it first",
            PENDING: "pending: receive the lender's answer first, or refresh the line to give up "
            "what the ledger has refused",
            DISPUTED: f"disputed ({self.problem}): accept to go on under protest",
            CLOSED: "closed",
        }.get(self.status, "without a token: restore the wallet")
        return Refused("line-not-ready", f"line {self.number} is {why}")


class Opening(Secretive, kw_only=True):
    """What opens the commitments in one's own entry.

    ``next`` is the content of C′ (its serial with the signer's tweak), ``rho`` (32 bytes)
    blinds the claim of a purchase and is empty after a restore without the memo.
    """

    next: Token
    rho: bytes = b""


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One finished step of a line, with the credit available after it.

    ``opening`` is kept of purchases and billing statements, to prove them to others.
    ``merchant_id`` is empty for other steps and for purchases found again on the ledger.
    """

    line: int
    index: int
    kind: str
    timestamp_ms: int
    period: int
    amount_minor: int
    label: str
    available_minor: int
    invoice_hash: bytes = b""
    merchant_id: bytes = b""
    opening: Opening | None = None


class Event(msgspec.Struct, frozen=True):
    """What ``Wallet.receive`` found for one line."""

    line: int
    kind: str
    status: str
    text: str


class WalletState(Secretive, kw_only=True):
    """Content of a wallet's vault: the phrase or the bare root, lines and history."""

    version: int = VERSION
    phrase: str | None = None
    root: bytes
    lines: list[Line] = msgspec.field(default_factory=list)
    history: list[HistoryRow] = msgspec.field(default_factory=list)
    credentials: list[HeldCredential] = msgspec.field(default_factory=list)
    records: RecordsState = msgspec.field(default_factory=RecordsState)
    told: list[Told] = msgspec.field(default_factory=list)


prepare_types(WalletState)


def encode_state(state: Any) -> bytes:
    """Bytes of a role's state for its vault."""
    return msgspec.msgpack.encode(state)


def decode_state(data: bytes) -> WalletState:
    """The state in a vault; MalformedInput if it is of another version or no wallet."""
    try:
        head = msgspec.msgpack.decode(data)
        if isinstance(head, dict) and head.get("version") not in (None, VERSION):
            found = head.get("version")
            raise MalformedInput(f"wallet state has version {found}; this program reads {VERSION}")
        return msgspec.convert(head, WalletState)
    except (ValueError, RecursionError) as error:
        raise MalformedInput(f"not a wallet's state: {error}") from None
