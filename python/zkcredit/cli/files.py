"""Message files: read from a path or ``-``, written as a whole or to standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zkcredit.errors import CallerError, MalformedInput, StoreError

if TYPE_CHECKING:
    from zkcredit.cli.output import Output
    from zkcredit.ledger.genesis import Genesis
    from zkcredit.messages import Message

    _T = TypeVar("_T", bound=Message)

_P = TypeVar("_P")
_F = TypeVar("_F", bound=Callable[..., Any])
_GENESIS_BYTES = 4096


def output_option(
    help_text: str = "Where the message goes (- is standard output).",
) -> Callable[[_F], _F]:
    """The option ``-o``."""
    return click.option("-o", "--output", "target", metavar="FILE", default="-", help=help_text)


FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["json", "cbor"]),
    default="json",
    show_default=True,
    help="Text or bytes of a credential or presentation.",
)


def read_bytes(name: str, limit: int) -> bytes:
    """Content of a file or of standard input (``-``), at most ``limit`` bytes."""
    if not name or "\0" in name:
        raise CallerError(f"not the name of a file: {name!r}")
    try:
        if name == "-":
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with Path(name).expanduser().open("rb") as file:
                data = file.read(limit + 1)
    except OSError as error:
        raise StoreError(f"cannot read {name}: {error.strerror}") from None
    if len(data) > limit:
        raise MalformedInput(f"{name} is longer than {limit} bytes")
    return data


def read_text(name: str, limit: int = 1 << 20) -> str:
    """A small text file."""
    try:
        return read_bytes(name, limit).decode()
    except UnicodeDecodeError:
        raise MalformedInput(f"{name} is not text") from None


def read_parsed(name: str, parse: Callable[[str], _P]) -> _P:
    """What ``parse`` makes of a small text file."""
    text = read_text(name)
    with naming(name):
        return parse(text)


def read_message(name: str, kind: type[_T]) -> _T:
    """The message of this kind in a file or on standard input."""
    from zkcredit.messages import MAX_MESSAGE_BYTES, decode_message

    data = read_bytes(name, MAX_MESSAGE_BYTES)
    with naming(name):
        return decode_message(data, kind)


def read_genesis_file(name: str) -> Genesis:
    """The genesis of a ledger in a file."""
    from zkcredit.ledger.genesis import Genesis

    data = read_bytes(name, _GENESIS_BYTES)
    with naming(name):
        return Genesis.decode(data)


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Says in which file the input is malformed, if it is, while the block reads it."""
    try:
        yield
    except MalformedInput as error:
        where = "standard input" if name == "-" else name
        raise MalformedInput(f"{where}: {error}") from None


def write_bytes(target: str, data: bytes) -> None:
    """Replaces a file as a whole (readable by its owner only), or writes to the stream."""
    from zkcredit.vault import replace_file

    if target == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    path = Path(target).expanduser()
    if path.exists() and not path.is_file():  # a device or pipe
        try:
            path.write_bytes(data)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from None
        return
    replace_file(path, data)


def write_message(output: Output, target: str, message: Message, next_step: str) -> None:
    """Writes a message; the next step is told on standard error."""
    from zkcredit.messages import encode_message

    write_bytes(target, encode_message(message, indent=True))
    told(output, target, next_step, {"message": builtins(message)})


def told(output: Output, target: str, next_step: str, found: Mapping[str, Any]) -> None:
    """Says where something was written, what to do next, and with ``--json`` what it was."""
    where = "" if target == "-" else f"Written: {target}. "
    output.note(where + next_step.format(file=target if target != "-" else "FILE"))
    if target != "-":
        output.data({"file": target, **found})


def write_messages(
    output: Output, target: str, messages: Sequence[Message], next_step: str
) -> None:
    """One file for each message: ``a.json``, ``a-2.json`` …"""
    from zkcredit.messages import encode_message

    if len(messages) > 1 and target == "-":
        raise CallerError(f"there are {len(messages)} messages: give a file name with -o")
    if len(messages) == 1:
        write_message(output, target, messages[0], next_step)
        return
    path = Path(target)
    names = [
        target if number == 1 else str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
        for number in range(1, len(messages) + 1)
    ]
    for name, message in zip(names, messages, strict=True):
        write_bytes(name, encode_message(message, indent=True))
    output.note(f"Written: {', '.join(names)}. " + next_step.format(file=" ".join(names)))
    output.data({"files": names, "messages": [builtins(message) for message in messages]})


def builtins(message: Any) -> dict[str, Any]:
    """A message as JSON-ready dictionaries."""
    from zkcredit.messages import to_builtins

    return to_builtins(message)
