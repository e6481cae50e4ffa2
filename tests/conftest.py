"""Settings that hold for every test: hypothesis profiles, and a home of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import postgreskit
import pytest
from hypothesis import HealthCheck, settings

_QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large)

# `fast` while developing, `ci` repeatable, `slow` for a long search by hand.
settings.register_profile("fast", max_examples=25, deadline=None, suppress_health_check=_QUIET)
settings.register_profile(
    "ci", settings.get_profile("fast"), max_examples=50, derandomize=True, print_blob=True
)
settings.register_profile("slow", settings.get_profile("fast"), max_examples=2_000)
settings.load_profile(
    os.environ.get("ZKCREDIT_HYPOTHESIS") or ("ci" if os.environ.get("CI") else "fast")
)


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the home folder of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZKCREDIT_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("ZKCREDIT_PASSPHRASE", raising=False)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgreskit.Server]:
    """A PostgreSQL server for this run."""
    problem = postgreskit.why_not()
    if problem is not None:
        pytest.skip(problem)
    with postgreskit.server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str | None:
    """Where a new ledger shall keep its rows: in a file of its folder, or at an address."""
    if request.param == "sqlite":
        return None
    server: postgreskit.Server = request.getfixturevalue("postgres")
    return server.place()


# A run started in the background ignores Ctrl-C, and so would every command that the
# tests start; with a handler of its own here, they begin with the system's default.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
