"""The generator: that of any table, with the bounds of this one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kdkit_generators.tables import Tables

from kdkit import Generator, Sample
from kdkit_tumours.table import BOUNDS


class Ranges(Generator):
    """Rows float32 (30,), each column by itself, even in its range or, where it is above 0, in its logarithm."""

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        yield from Tables(Tables.Options(bounds=BOUNDS), self.seed).generate(indices)
