"""Following a log for as long as one is not told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable

from zkcredit.cosigner.cosigner import Cosigner, Followed
from zkcredit.errors import CheckFailed, MalformedInput, StoreError, ZkCreditError
from zkcredit.ledger.static import StaticSource


class _Stopped(Exception):
    pass


class Follower:
    """Looks at the published log in ``place`` (folder or URL) every ``interval_s`` seconds.

    ``on_followed`` is told what a look has brought, if anything, ``on_failure`` why there
    was nothing: a log that fails a check is looked at again, since the fault may be a
    damaged copy.
    """

    def __init__(
        self,
        cosigner: Cosigner,
        place: str,
        interval_s: float,
        on_followed: Callable[[Followed], None],
        on_failure: Callable[[ZkCreditError], None],
    ) -> None:
        self._cosigner = cosigner
        self._place = place
        self._interval_s = interval_s
        self._on_followed = on_followed
        self._on_failure = on_failure
        self._stopping = threading.Event()
        self._seen: str | None = None

    def stop(self) -> None:
        """Ends :meth:`run` after the step of entries that it is at."""
        self._stopping.set()

    def run(self) -> None:
        """Follows until :meth:`stop`.

        StateConflict of one's own database ends it, too, and StoreError once that takes no
        more writes.
        """
        while not self._stopping.is_set():
            try:
                self._look()
            except _Stopped:
                return
            except (CheckFailed, MalformedInput, StoreError) as error:
                if self._cosigner.mirror.failed:
                    raise
                self._on_failure(error)
            self._stopping.wait(self._interval_s)

    def _look(self) -> None:
        source = StaticSource(self._place)
        if source.published_checkpoint == self._seen:
            return
        followed = self._cosigner.follow(source, self._check)
        self._seen = source.published_checkpoint
        self._on_followed(followed)

    def _check(self, _done: int, _size: int) -> None:
        if self._stopping.is_set():
            raise _Stopped
