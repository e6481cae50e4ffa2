"""Policies in files, and in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.files import naming, read_bytes
from zkcredit.errors import CallerError

if TYPE_CHECKING:
    from zkcredit.cli.output import Output
    from zkcredit.ledger.registry import Registry
    from zkcredit.policies.policy import Policy

VARIABLE = click.option(
    "--set", "variables", multiple=True, metavar="NAME=VALUE", help="A variable of the policy."
)


def read_policy(name: str) -> Policy:
    """The policy in a file (TOML or JSON)."""
    from zkcredit.policies.policy import POLICY_MAX_BYTES, Policy

    data = read_bytes(name, POLICY_MAX_BYTES)
    with naming(name):
        return Policy.parse(data)


def read_variables(given: Iterable[str]) -> dict[str, str]:
    """Variables given as ``name=value``."""
    found: dict[str, str] = {}
    for item in given:
        name, separator, value = item.partition("=")
        if not separator or name in found:
            raise CallerError(f"{item!r}: write each variable once, as name=value")
        found[name] = value
    return found


def policy_words(
    policy: Policy, registry: Registry, variables: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What a policy asks today, in plain words, as JSON."""
    from zkcredit.clock import system_clock
    from zkcredit.policies import words
    from zkcredit.policies.request import date_of
    from zkcredit.policies.resolve import resolve

    requirements = resolve(policy, registry, date_of(system_clock()), variables or {})
    names = registry.issuer_names(requirements.issuer_ids)
    return {
        "title": policy.title,
        "learns": words.learns(requirements, names),
        "convinced": list(words.convinced(requirements, names)),
    }


def print_policy(output: Output, found: Mapping[str, Any]) -> None:
    """The same for people."""
    output.line(f"{found['title']}. Holders will read:")
    learns = ", ".join(found["learns"]) or "nothing about you"
    output.line(f"  The verifier will learn: {learns}.")
    output.line("  It will be convinced, without seeing it, that:")
    for sentence in found["convinced"]:
        output.line(f"    - {sentence}")
