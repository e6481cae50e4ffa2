"""The command line with toy proofs in place of real ones (see ledgerkit)."""

import sys

import pytest
from ledgerkit import stub_engine

from zkcredit.cli import main

stub_engine(pytest.MonkeyPatch())
sys.exit(main())
