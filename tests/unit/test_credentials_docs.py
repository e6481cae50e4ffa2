"""The Python in ``docs/credentials.md`` runs as it stands."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
from kit import World

from zkcredit.credentials.builtin import IDENTITY
from zkcredit.credentials.issuer import CredentialIssuer
from zkcredit.errors import CallerError
from zkcredit.keys import new_phrase, seed_from_phrase

TEXT = (Path(__file__).parents[2] / "docs/credentials.md").read_text(encoding="utf-8")


def test_example(capsys: pytest.CaptureFixture[str]) -> None:
    world = World(shops=0)
    (example,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    names = {
        "CredentialIssuer": CredentialIssuer,
        "IDENTITY": IDENTITY,
        "dt": dt,
        "ledger": world.ledger,
        "new_phrase": new_phrase,
        "seed_from_phrase": seed_from_phrase,
        "wallet": world.holder(),
    }
    exec(example, names)
    assert capsys.readouterr().out == "Identity True\n"
    office, values = names["office"], dict(names["values"])
    del values["country"]
    values["county"] = "AT"
    with pytest.raises(CallerError, match="country, county"):
        office.issue(world.ledger, names["request"], values, dt.date(2030, 12, 31))
    office.close()
    world.close()
