"""The worked example of the wine shop is run as it stands, refusals included."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from clikit import run_document_here

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "wine-shop.md"

REFUSED = [
    "exit code 3: Ben's date of birth",
    "exit code 3: Ann's credential in Ben's wallet",
    "exit code 1: paid by one, answered by another",
    "exit code 3: an answer to somebody else",
    "exit code 3: revoked",
]


@pytest.mark.timeout(240)
def test_wine_shop(tmp_path: Path) -> None:
    printed = run_document_here(DOCUMENT.read_text(encoding="utf-8"), tmp_path)
    assert re.findall(r"^exit code.*$", printed, re.MULTILINE) == REFUSED
    for text in (
        "The verifier will learn: your country, a pseudonym for 'wine.example'",
        "your date of birth is on or before",
        "Shown: identity.country = AT",
        "verified by Registry Office: alcohol, AT",
        "Invoice 1, 45.00 EUR (six bottles): paid",
        "Invoice 2, 12.00 EUR (one bottle): paid",
        "[clause-fails]",
        "Invoice 3, 12.00 EUR (a bottle for Ben): undisclosed",
        "zkcredit: the presentation is refused [presentation]",
        "[bad-signature]",
        "[no-credential]",
        "Record 1: receipt of Wine Shop",
    ):
        assert text in printed, text
    pseudonyms = re.findall(r"^pseudonym +([0-9a-f]{96})$", printed, re.MULTILINE)
    assert len(pseudonyms) == 3, "twice for herself, once for Ben"
    assert len(set(pseudonyms)) == 1
    _check_hidden(tmp_path / "wine-shop")


def _check_hidden(place: Path) -> None:
    """What is revealed is in the answer; the rest is neither there nor on the ledger."""
    answer = _opened(json.loads((place / "shown.json").read_bytes()))
    ledger = b"".join(x.read_bytes() for x in (place / "ledger").rglob("*") if x.is_file())
    assert [part for part in answer if part == b"AT"] == [b"AT"]
    assert b"Registry Office" in ledger
    for hidden in (b"1994-05-31", b'"Ann"', b'"Lin"', b'"5c1f"', b'"7f2a"'):
        assert not any(hidden.strip(b'"') in part for part in answer)
        assert hidden not in ledger


def _opened(part: Any) -> list[bytes]:
    """Everything that stands in base64url in the file of an answer."""
    if isinstance(part, str):
        return [base64.urlsafe_b64decode(part + "===")]
    inner = part.values() if isinstance(part, dict) else part or []
    return [found for item in inner for found in _opened(item)]
