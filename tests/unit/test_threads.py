"""Threads that meet a type for the first time together."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys, threading, tracemalloc

tracemalloc.start(8)  # makes the window in which two threads meet wide
sys.setswitchinterval(1e-9)
{setup}
start = threading.Barrier(16)


def work():
    start.wait()
    {call}


threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""

CASES = {
    "message": (
        (
            "import json\n"
            "from zkcredit.errors import MalformedInput\n"
            "from zkcredit.messages import StatementReply, decode_message\n"
            "import contextlib\n"
            "data = json.dumps({'type': 'zkcredit/statement-reply/1', 'document': {}})"
        ),
        "with contextlib.suppress(MalformedInput): decode_message(data, StatementReply)",
    ),
    "wallet": (
        (
            "from zkcredit.wallet.state import WalletState, decode_state, encode_state\n"
            "data = encode_state(WalletState(root=bytes(32)))"
        ),
        "decode_state(data)",
    ),
    "merchant": (
        (
            "import msgspec\n"
            "from zkcredit.merchant.state import MerchantState, decode_state\n"
            "data = msgspec.msgpack.encode(MerchantState(root=bytes(32), name='shop'))"
        ),
        "decode_state(data)",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_first_decoding_by_many_threads_does_not_crash(case: str) -> None:
    setup, call = CASES[case]
    script = SCRIPT.format(setup=setup, call=call)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
