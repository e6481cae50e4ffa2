"""``zkcredit serve``: the ledger of this machine over HTTP."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.base import Command
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.params import INTERVAL_S, PORT, Decimal
from zkcredit.errors import CallerError

if TYPE_CHECKING:
    import socket


@click.command(
    "serve",
    cls=Command,
    example="$ zkcredit --ledger ./ledger serve --port 8080",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=PORT, default=8080, show_default=True, help="Port to listen on; 0: any."
)
@click.option("--public-url", metavar="URL", help="Address by which clients call the service.")
@click.option(
    "--rate",
    type=Decimal(0, 10**9),
    default=200.0,
    show_default=True,
    help="Requests and submissions a second from one address; 0: no limit.",
)
@click.option(
    "--burst",
    type=Decimal(1, 10**9),
    default=4_096.0,
    show_default=True,
    help="How many of them at once.",
)
@click.option(
    "--interval",
    type=INTERVAL_S,
    metavar="SECONDS",
    default=1.0,
    show_default=True,
    help="Time between publications of the log's files.",
)
@click.option("--closed", is_flag=True, help="Let nobody register over HTTP.")
@click.option("--proxy", "proxies", metavar="IPS", help="Proxies whose X-Forwarded-For counts.")
@click.option(
    "--certificate", type=click.Path(exists=True, dir_okay=False), help="For TLS, with --key."
)
@click.option(
    "--key", type=click.Path(exists=True, dir_okay=False), help="For TLS, with --certificate."
)
@pass_session
def serve_command(session: Session, /, **options: Any) -> None:
    """Serve the ledger in the folder --ledger over HTTP (the operator only).

    Everybody else then gives the address as --ledger. The log lies as static files in
    the folder's `published`. Ctrl-C or SIGTERM answers what was accepted, publishes it
    and ends. Log lines (JSON) go to standard error.
    """
    from zkcredit.service.app import Service
    from zkcredit.service.context import Settings
    from zkcredit.service.server import listen, run, server_of

    certificate, key = options["certificate"], options["key"]
    if (certificate is None) != (key is None):
        raise CallerError("TLS needs both --certificate and --key")
    folder = session.ledger_folder()
    settings = Settings(
        public_url=options["public_url"],
        rate=options["rate"],
        burst=options["burst"],
        interval_s=options["interval"],
        closed=options["closed"],
    )
    with listen(options["host"], options["port"]) as bound:
        url = options["public_url"] or _url(bound, tls=certificate is not None)

        def ready() -> None:
            if not session.output.data({"url": url, "ledger": str(folder)}):
                session.output.line(f"Serving {folder} at {url}")
            sys.stdout.flush()

        proxies: str | None = options["proxies"]
        service = Service(folder, settings)
        server = server_of(
            service, proxies=proxies, certificate=certificate, key=key, on_ready=ready
        )
        run(service, server, bound)


def _url(bound: socket.socket, *, tls: bool) -> str:
    host, port = bound.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
