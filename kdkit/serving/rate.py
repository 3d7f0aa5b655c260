"""How much may be asked in a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Rate:
    """A bucket of samples, as many as a minute allows, that fills up evenly; safe to use from several threads."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._left = float(per_minute)
        self._at = clock()
        self._lock = threading.Lock()

    def take(self, samples: int) -> float:
        """Take this many samples and return 0; or take none and return the seconds until they will be there."""
        with self._lock:
            now = self._clock()
            self._left = min(self.per_minute, self._left + (now - self._at) * self.per_minute / 60)
            self._at = now
            if samples > self._left:
                return (samples - self._left) * 60 / self.per_minute
            self._left -= samples
            return 0.0
