"""Help texts: complete, in one form, and true of the command they belong to."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from zkcredit.cli import Session, cli


def contexts(command: click.Command, parent: click.Context | None) -> Iterator[click.Context]:
    """Every command and group, each below its group."""
    context = click.Context(command, info_name=command.name, parent=parent, obj=Session())
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from contexts(inner, context)


ALL = [pytest.param(context, id=context.command_path) for context in contexts(cli, None)]


@pytest.mark.parametrize("context", ALL)
def test_every_option_says_what_it_is_for(context: click.Context) -> None:
    options = [x for x in context.command.get_params(context) if isinstance(x, click.Option)]
    assert len(options) > 1
    for option in options:
        assert option.help, option.opts


@pytest.mark.parametrize("context", ALL)
def test_arguments_stand_in_the_usage_line_alone(context: click.Context) -> None:
    help_text = context.get_help()
    listed = help_text[help_text.index("Options:") :].splitlines()
    for argument in context.command.params:
        if isinstance(argument, click.Argument):
            metavar = argument.make_metavar(context)
            assert metavar in help_text.splitlines()[0]
            assert metavar not in [line.strip() for line in listed]


@pytest.mark.parametrize("context", ALL)
def test_values_are_named_as_people_name_them(context: click.Context) -> None:
    help_text = context.get_help()
    assert "RANGE" not in help_text
    assert "<=x" not in help_text
    assert "x>=" not in help_text


@pytest.mark.parametrize("context", ALL)
def test_an_example_calls_the_command_itself(context: click.Context) -> None:
    example = context.get_help().partition("\nExample:\n")[2]
    words = context.command_path.split()[1:]
    assert "{command}" not in example
    for line in example.splitlines():
        if "zkcredit" in line:
            assert " ".join(words) in line, line
