"""``python -m zkcredit.cli``."""

import sys

from zkcredit.cli import main

sys.exit(main())
