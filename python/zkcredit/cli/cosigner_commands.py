"""``zkcredit cosigner``: follow a log as a member of a consortium, judge it, sign it."""

from __future__ import annotations

import json
import sys
import threading
from typing import TYPE_CHECKING, Any, cast

import click

from zkcredit.cli.base import Group
from zkcredit.cli.context import Session, pass_session, uninterrupted
from zkcredit.cli.files import output_option, read_genesis_file, write_bytes
from zkcredit.cli.output import counted, describe_error, plain, progress, utc
from zkcredit.cli.params import INTERVAL_S, PORT
from zkcredit.clock import system_clock
from zkcredit.errors import ZkCreditError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkcredit.cosigner.cosigner import Cosigner, Followed
    from zkcredit.cosigner.following import Follower
    from zkcredit.ledger.replay import Void

_FOLDER = "cosigner"
_VOIDS_SHOWN = 20


@click.group(
    cls=Group, name="cosigner", example="$ zkcredit cosigner run https://bank.example/ledger"
)
def group() -> None:
    """Follow a log, verify every entry, and vouch for it.

    PLACE is a published log: a folder that `ledger publish` wrote, or its address. A
    cosigner keeps a database and keys of its own and believes nobody else.
    """


def _open(session: Session) -> Cosigner:
    from zkcredit.cosigner import Cosigner

    return Cosigner.open(session.folder / _FOLDER)


@group.add("init", example="$ zkcredit cosigner init --name bank-a.example/log /srv/www/ledger")
@click.argument("place")
@click.option("--name", required=True, help="Name of the keys: a domain and path of yours.")
@click.option("--genesis", metavar="FILE", help="Genesis of the ledger that PLACE must be.")
@pass_session
def init(session: Session, place: str, name: str, genesis: str | None) -> None:
    """Make a cosigner for the log published in PLACE.

    Its keys go into this profile. Without --genesis, what PLACE says of itself is
    believed this once: compare the ledger's identifier.
    """
    from zkcredit.cosigner import Cosigner
    from zkcredit.ledger.static import StaticSource

    known = StaticSource(place).genesis if genesis is None else read_genesis_file(genesis)
    session.make_folder()
    with uninterrupted(), Cosigner.create(session.folder / _FOLDER, known, name) as cosigner:
        found = {
            "cosigner": name,
            "ledger_id": known.ledger_id,
            "origin": known.origin,
            "keys": _keys(cosigner),
        }
    if not session.output.data(found):
        session.output.fields(
            [("cosigner", name), ("ledger", known.ledger_id.hex()), ("origin", known.origin)]
        )
        session.output.note("Give others your keys: `zkcredit cosigner keys`.")


def _keys(cosigner: Cosigner) -> list[dict[str, str]]:
    from zkcredit.cosigner.keys import Role

    return [
        {"role": role.value, "key": key.encode(), "states": role.statement}
        for role in Role
        for key in cosigner.keys.public(role)
    ]


@group.add("keys", example="$ zkcredit cosigner keys")
@pass_session
def keys(session: Session) -> None:
    """Show the public keys and what each of them states.

    One line for each key: Ed25519, then ML-DSA-44. A policy names the keys that it asks for.
    """
    with _open(session) as cosigner:
        found = _keys(cosigner)
    if not session.output.data({"keys": found}):
        for item in found:
            session.output.line(f"# {item['states']}\n{item['key']}")


@group.add("show", example="$ zkcredit cosigner show")
@pass_session
def show(session: Session) -> None:
    """Show how far the log was verified, what was signed, and which entries are void."""
    from zkcredit.cosigner.keys import Role

    with _open(session) as cosigner:
        mirror, voids = cosigner.mirror, cosigner.voids()
        size, root, registry = mirror.size, mirror.root(), mirror.registry
        heads = {name: cosigner.signed_head(role).size for name, role in (
            ("rules", Role.RULES), ("witness", Role.WITNESS),
        )}  # fmt: skip
        found = {
            "cosigner": cosigner.keys.name,
            "ledger_id": mirror.ledger_id,
            "origin": mirror.genesis.origin,
            "size": size,
            "root": root,
            "issuers": len(registry.issuers),
            "merchants": len(registry.merchants),
            "signed": heads,
            "voids": _voids(voids),
        }
    if session.output.data(found):
        return
    session.output.fields(
        [
            ("cosigner", found["cosigner"]),
            ("ledger", mirror.ledger_id.hex()),
            ("verified", counted(size, "entry")),
            ("root", root.hex()),
            ("rules signed at", heads["rules"]),
            ("witnessed at", heads["witness"]),
        ]
    )
    _print_voids(session, voids)


@group.add("approve", example="$ zkcredit cosigner approve change -o a.approval")
@click.argument("file")
@output_option("Where the approval goes (- is standard output).")
@pass_session
def approve(session: Session, file: str, target: str) -> None:
    """Agree to new members, as one of the present ones.

    FILE is a proposal of `ledger members -o`. Look at what it names first: this command
    shows it and signs.
    """
    from zkcredit.cli.ledger_members import described, print_members, read_proposal
    from zkcredit.cosigner.keys import Role
    from zkcredit.cosigner.members import approve as sign
    from zkcredit.ledger.note import b64encode

    statement = read_proposal(file)
    with _open(session) as cosigner:
        signature = sign(cosigner.keys, cosigner.mirror.ledger_id, statement)
        key = cosigner.keys.public(Role.RULES)[0].encode()
    write_bytes(target, f"{key} {b64encode(signature)}\n".encode())
    if target != "-" and not session.output.data({"file": target, **described(statement)}):
        print_members(session, statement)


def _voids(voids: list[Void]) -> list[dict[str, Any]]:
    return [{"index": v.index, "rule": v.rule, "message": v.message} for v in voids]


def _print_voids(session: Session, voids: list[Void]) -> None:
    if voids:
        session.output.line(f"Void: {counted(len(voids), 'entry')}.")
        for void in voids[:_VOIDS_SHOWN]:
            session.output.line(f"  {void}")
        if len(voids) > _VOIDS_SHOWN:
            session.output.line("  …")


def _followed(followed: Followed) -> dict[str, Any]:
    return {
        "size": followed.head.size,
        "root": followed.head.root,
        "entries": followed.entries,
        "signed": followed.signed,
        "voids": _voids(followed.voids),
    }


@group.add("once", example="$ zkcredit cosigner once /srv/www/ledger -o cosigned.checkpoint")
@click.argument("place")
@click.option(
    "-o", "--output", "target", metavar="FILE", help="Where the cosigned checkpoint goes."
)
@pass_session
def once(session: Session, place: str, target: str | None) -> None:
    """Verify what is new in PLACE, sign its checkpoint, and end.

    Exit code 1 if the log fails a check; then nothing is signed. Entries that break a
    rule are void and reported; they do not stop the log. Hand FILE to
    `ledger cosign --from FILE`. May be interrupted and run again.
    """
    from zkcredit.ledger.static import StaticSource

    with _open(session) as cosigner, progress("verifying") as update:
        followed = cosigner.follow(StaticSource(place), update)
    if target is not None:
        write_bytes(target, followed.note.encode().encode())
    if target == "-" or session.output.data(_followed(followed)):
        return
    _print_followed(session, followed)


def _print_followed(session: Session, followed: Followed) -> None:
    keys = ", ".join(followed.signed)
    session.output.line(
        f"New: {counted(followed.entries, 'entry')}. "
        f"Signed at {counted(followed.head.size, 'entry')} by {keys}."
    )
    _print_voids(session, followed.voids)


class _Reporter:
    """Tells of what happens, one line or one JSON object for each event."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def event(self, name: str, **fields: Any) -> bool:
        """Prints a JSON object on one line if that is wanted; tells whether it was."""
        if self._session.output.as_json:
            click.echo(json.dumps({"event": name, **plain(fields)}, ensure_ascii=False))
            sys.stdout.flush()
        return self._session.output.as_json

    def followed(self, followed: Followed) -> None:
        if not self.event("followed", **_followed(followed)):
            _print_followed(self._session, followed)
            sys.stdout.flush()

    def failure(self, error: ZkCreditError) -> None:
        _, fields = describe_error(error)
        if not self.event("failed", **fields):
            self._session.output.note(f"{utc(system_clock())}: {fields['message']}")


@group.add("run", example="$ zkcredit cosigner run https://bank.example/ledger --port 8070")
@click.argument("place")
@click.option(
    "--interval",
    type=INTERVAL_S,
    metavar="SECONDS",
    default=10.0,
    show_default=True,
    help="Time between looks at the log.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, help="Answer witness requests; 0: any.")
@pass_session
def run(session: Session, place: str, interval: float, host: str, port: int | None) -> None:
    """Follow PLACE until Ctrl-C or SIGTERM, and sign what holds.

    With --port, answers the C2SP witness protocol (POST /add-checkpoint). A log that
    fails a check is reported and looked at again. With --json, one object on each line.
    """
    from zkcredit.cosigner.following import Follower

    reporter = _Reporter(session)
    with _open(session) as cosigner:
        follower = Follower(cosigner, place, interval, reporter.followed, reporter.failure)
        if port is None:
            _until_signal(follower.run, follower.stop)
            return
        _serve(cosigner, follower, reporter, host, port)


def _until_signal(work: Callable[[], None], stop: Callable[[], None]) -> None:
    """Runs ``work`` in the main thread; both signals call ``stop``."""
    import signal

    numbers = (signal.SIGINT, signal.SIGTERM)
    old = [signal.signal(number, lambda *_: stop()) for number in numbers]
    try:
        work()
    finally:
        for number, handler in zip(numbers, old, strict=True):
            signal.signal(number, handler)


def _serve(
    cosigner: Cosigner, follower: Follower, reporter: _Reporter, host: str, port: int
) -> None:
    """Follows in a thread of its own while the main one answers requests."""
    import asyncio

    from zkcredit.cosigner.server import Application
    from zkcredit.service.server import listen, server_of

    failed: list[BaseException] = []

    def follow() -> None:
        try:
            follower.run()
        except BaseException as error:  # noqa: BLE001  (raised again in the main thread)
            failed.append(error)
            server.should_exit = True

    worker = threading.Thread(target=follow, name="follower")
    with listen(host, port) as bound:
        name, number = bound.getsockname()[:2]
        url = f"http://{f'[{name}]' if ':' in name else name}:{number}"

        def ready() -> None:
            if not reporter.event("listening", url=url):
                click.echo(f"Answering at {url}")
                sys.stdout.flush()
            worker.start()

        server = server_of(cast("Any", Application(cosigner)), on_ready=ready)
        try:
            asyncio.run(server.serve(sockets=[bound]))
        finally:
            follower.stop()
            if worker.ident is not None:
                worker.join()
    if failed:
        raise failed[0]
