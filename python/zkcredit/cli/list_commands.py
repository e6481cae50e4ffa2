"""``zkcredit credential publish-list``: the items of a signed list."""

from __future__ import annotations

import click

from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.credential_desk import find_schema, group, issuer_on_ledger
from zkcredit.cli.files import naming, read_text
from zkcredit.errors import CallerError

LIST_TEXT_BYTES = 64 << 20
"""Longest text of items: no list of more fits beside a ledger."""


@group.add(
    "publish-list",
    example="$ zkcredit credential publish-list stolen-documents numbers.txt --prove absence",
)
@click.argument("which", metavar="SCHEMA")
@click.argument("file")
@click.option(
    "--prove",
    type=click.Choice(["membership", "absence"]),
    required=True,
    help="What holders prove from it: that they are on the list, or that they are not.",
)
@pass_session
def publish_list(session: Session, which: str, file: str, prove: str) -> None:
    """Publish the next version of a list: one item of FILE in each line.

    SCHEMA describes the items: a schema with the one field "item", revocable, published
    before with `credential schema publish`. Everybody is asked about the newest version,
    and anybody can read it. The same items again change nothing.
    """
    lines = [line for line in read_text(file, LIST_TEXT_BYTES).splitlines() if line]
    with issuer_on_ledger(session) as (issuer, ledger):
        schema = find_schema(ledger.registry, which).schema
        if not schema.is_list:
            raise CallerError(f"{schema.name!r} is no list: it needs one field, 'item', revocable")
        item = schema.fields[0]
        with naming(file):
            values = [item.parse(line) for line in lines]
        gaps = prove == "absence"
        version = issuer.publish_list(ledger, schema.hash, values, gaps=gaps)
    found = {
        "name": schema.name,
        "schema_hash": schema.hash,
        "version": version,
        "items": len(set(values)),
        "prove": prove,
    }
    if not session.output.data(found):
        session.output.line(
            f"{schema.name}: version {version} with {len(set(values))} items proves {prove}."
        )
