"""The second verifier: everything on a ledger checked again in pure Python.

Written from ``docs/`` and the relations in ``circuits/*.toml``; it uses ``py_ecc``
for the curves, PyPI ``blake3``, ``hashlib`` and ``cryptography``, and shares no code
with the extension or with the modules that read and write ledgers (errors apart).
It is slow on purpose: one equation after the other, no batches, no weights, no
precomputation. Where it disagrees with the extension, one of them is wrong.

:func:`audit` verifies a ledger, :func:`verify` one proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zkcredit.reference.auditing import Report, audit
    from zkcredit.reference.circuit import Circuit, compile_circuit, load
    from zkcredit.reference.engine import Statement, verify
    from zkcredit.reference.source import Folder, Memory, Published, Source

_PLACES = {
    "Circuit": "circuit",
    "Folder": "source",
    "Memory": "source",
    "Published": "source",
    "Report": "auditing",
    "Source": "source",
    "Statement": "engine",
    "audit": "auditing",
    "compile_circuit": "circuit",
    "load": "circuit",
    "verify": "engine",
}

__all__ = [
    "Circuit",
    "Folder",
    "Memory",
    "Published",
    "Report",
    "Source",
    "Statement",
    "audit",
    "compile_circuit",
    "load",
    "verify",
]


def __getattr__(name: str) -> Any:
    import importlib

    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{place}"), name)
