"""A fuzzer of other people reads the document and tries the running service against it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from ledgerkit import World
from servicekit import Running

from zkcredit.service import wire

EXAMPLES = os.environ.get("ZKCREDIT_SCHEMATHESIS", "12")
"""Examples for each operation and phase; more by hand."""
HOOKS = '''
"""Contents of the service's binary types: real ones, broken ones and noise."""
from pathlib import Path
import schemathesis
from hypothesis import strategies as st

for name, file in {types!r}.items():
    real = Path(file).read_bytes()
    cut = st.integers(0, len(real)).map(lambda n, real=real: real[:n])
    flips = st.integers(0, len(real) - 1).map(
        lambda n, real=real: real[:n] + bytes([real[n] ^ 1]) + real[n + 1:]
    )
    schemathesis.openapi.media_type(name, st.one_of(st.just(real), cut, flips, st.binary()))
'''
CONFIG = """
[checks]
# A signature, a proof or a rule can refuse what the document describes rightly.
positive_data_acceptance.expected-statuses = [
    "2xx", "400", "401", "403", "404", "409", "415", "422", "503",
]

[[operations]]
include-path = "/v1/issuers/{{issuer}}/unanswered"
parameters.issuer = "{issuer}"
"""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_service_does_what_its_document_says(
    world: World, running: Running, tmp_path: Path
) -> None:
    running.submit_many([world.prove(world.spend(i)) for i in range(300)])
    contents = {
        wire.SUBMISSION: world.prove(world.spend("fuzz")).encode(),
        wire.BATCH: wire.encode_batch([world.prove(world.spend(f"fuzz {i}")) for i in range(2)]),
        wire.REPLIES: wire.encode_replies([(3, secrets.token_bytes(80))]),
    }
    types = {}
    for name, content in contents.items():
        types[name] = str(tmp_path / name.rpartition(".")[2])
        Path(types[name]).write_bytes(content)
    (tmp_path / "hooks.py").write_text(HOOKS.format(types=types))
    (tmp_path / "schemathesis.toml").write_text(CONFIG.format(issuer=world.issuer_id.hex()))
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run",
        f"{running.url}/openapi.json", "--max-examples", EXAMPLES, "--continue-on-failure",
        "--request-timeout", "20", "--no-color", "--generation-database", "none",
    ]  # fmt: skip
    found = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=170,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks"},
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-8_000:] + found.stderr[-2_000:]
    assert not [line for line in running.log if line["event"] == "internal-error"]
