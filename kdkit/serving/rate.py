"""How many samples may be requested in a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Rate:
    """A bucket of samples, as many as a minute allows, that fills up evenly; safe to use from several threads."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._available = float(per_minute)
        self._updated_at = clock()
        self._lock = threading.Lock()

    def take(self, samples: int) -> float:
        """Take this many samples and return 0; or take none and return the seconds until they will be there."""
        with self._lock:
            now = self._clock()
            self._available = min(self.per_minute, self._available + (now - self._updated_at) * self.per_minute / 60)
            self._updated_at = now
            if samples > self._available:
                return (samples - self._available) * 60 / self.per_minute
            self._available -= samples
            return 0.0
