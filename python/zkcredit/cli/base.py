"""What all commands share: lazy groups, common options, examples in the help."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

_COMMON = ("json", "home", "profile", "ledger", "light", "passphrase_file")


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Puts a common option into the session; the innermost one given counts."""
    if value not in (None, False) and parameter.name is not None:
        context.obj.set_option(parameter.name, value)


def _option(*names: str, **settings: Any) -> click.Option:
    return click.Option(list(names), expose_value=False, callback=_remember, **settings)


def common_options() -> list[click.Parameter]:
    """Fresh copies of the options that every command takes."""
    return [
        _option("--json", is_flag=True, help="Print one JSON object (amounts in minor units)."),
        _option("--home", metavar="DIR", help="Your folder [ZKCREDIT_HOME, else ~/.zkcredit]."),
        _option("--profile", metavar="NAME", help="Folder inside it [ZKCREDIT_PROFILE, default]."),
        _option("--ledger", metavar="PLACE", help="Folder or URL [ZKCREDIT_LEDGER, else last]."),
        _option("--light", is_flag=True, help="Over HTTP, believe proofs, verify the rest."),
        _option(
            "--passphrase-file",
            metavar="FILE",
            help="First line is the passphrase [ZKCREDIT_PASSPHRASE, else asked].",
        ),
    ]


class _Helped(click.Command):
    """Help with the common options under their own heading, and an example."""

    example = ""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Own options first, then the common ones."""
        own: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                (common if parameter.name in _COMMON else own).append(record)
        with formatter.section("Options"):
            formatter.write_dl(own)
        if common:
            with formatter.section("Common options"):
                formatter.write_dl(common)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The example, line by line; ``{command}`` in it is the command's full name."""
        with formatter.section("Example"):
            for line in self.example.replace("{command}", ctx.command_path).strip().splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{line.strip()}\n")


class Command(_Helped):
    """A command with an example and the common options, ``without`` some of them."""

    def __init__(
        self, *args: Any, example: str = "", without: Sequence[str] = (), **settings: Any
    ) -> None:
        super().__init__(*args, **settings)
        self.example = example
        self.params.extend(x for x in common_options() if x.name not in without)


class Group(_Helped, click.Group):
    """A group of :class:`Command`."""

    def __init__(self, *args: Any, example: str = "", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.example = example
        self.params.extend(common_options())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Options, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def add(self, name: str, example: str) -> Callable[[Callable[..., Any]], click.Command]:
        """Decorator: makes a function a command of this group, with its example."""
        return self.command(name, cls=Command, example=example)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of definition: that of a story, not of the alphabet."""
        return list(self.commands)


class LazyGroup(Group):
    """The root group: a command's modules are imported when the command runs.

    ``lazy`` gives for each command its modules, the first of which holds it, its name
    there, and its short help.
    """

    def __init__(
        self, *args: Any, lazy: Mapping[str, tuple[str, str, str]], **settings: Any
    ) -> None:
        super().__init__(*args, **settings)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of the table, not of the alphabet."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Imports the command."""
        if cmd_name not in self._lazy:
            return None
        names, attribute, _ = self._lazy[cmd_name]
        modules = [importlib.import_module(f"zkcredit.cli.{name}") for name in names.split()]
        command: click.Command = getattr(modules[0], attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self._lazy.items()])
