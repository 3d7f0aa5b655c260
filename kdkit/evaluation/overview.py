"""What a domain draws of all samples together, fed with one case after the other."""

from __future__ import annotations

from contextlib import suppress
from queue import Full, Queue
from threading import Thread

from kdkit.contracts.domain import Domain
from kdkit.contracts.vocabulary import Case, Figure
from kdkit.plugins.calls import call

_PATIENCE = 0.1  # seconds between two looks at whether the domain still wants cases


class Overview:
    """:meth:`Domain.overview` takes cases as it wants them, but they come one by one, and are too many to keep.

    So it runs in a thread of its own, which waits for each. :meth:`add` returns when the case before was taken.
    """

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._queue: Queue[Case | None] = Queue(maxsize=1)
        self._figures: list[Figure] = []
        self._error: BaseException | None = None
        # A daemon: a command that is stopped in between does not wait for more cases.
        self._thread = Thread(target=self._draw, daemon=True)
        self._thread.start()

    def add(self, case: Case) -> None:
        """Hand a case on; it is dropped where the domain wants no more."""
        self._put(case)

    def figures(self) -> list[Figure]:
        """The pictures, after the last case. Raises what went wrong in the domain."""
        self._put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._figures

    def _put(self, case: Case | None) -> None:
        is_taken = False
        while self._thread.is_alive() and not is_taken:
            with suppress(Full):
                self._queue.put(case, timeout=_PATIENCE)
                is_taken = True

    def _draw(self) -> None:
        try:
            self._figures = list(call(self._domain.overview, iter(self._queue.get, None)))
        except BaseException as error:
            self._error = error
