"""Samples in a store, and the splits of them that stages work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kdkit.contracts.component import fingerprint_of
from kdkit.contracts.generator import Generator
from kdkit.sample import Sample
from kdkit.store.shards import Range, Record, ShardStore
from kdkit.store.splitting import draw_order

_TRUTH = "truth."


@dataclass(frozen=True)
class SampleSet:
    """Samples of a generator for splits of these ``sizes``, one after the other, in the store by its fingerprint.

    A synthetic source gives its first samples. Of recordings a seeded draw decides which come first, unit by unit,
    so that no unit lies in two splits.
    """

    generator: Generator
    sizes: Sequence[int]
    store: ShardStore
    fingerprint: str

    @staticmethod
    def of(generator: Generator, sizes: Sequence[int], root: Path) -> SampleSet:
        """The set that lies below ``root``."""
        fingerprint = generator.fingerprint()
        if not generator.synthetic:
            # The last split may grow: what was drawn before stays what it was.
            fingerprint = fingerprint_of(generator=fingerprint, drawn_splits=list(sizes[:-1]))
        return SampleSet(generator, sizes, ShardStore(root / "samples" / fingerprint), fingerprint)

    @property
    def count(self) -> int:
        return sum(self.sizes)

    def available(self) -> int | None:
        """How many samples the splits could take at most; None where there is no end to them."""
        return self.generator.count() if self._order is None else len(self._order)

    def source_indices(self, places: Range) -> Sequence[int]:
        """The generator's indices of the samples at these places of the set."""
        return range(*places) if self._order is None else self._order[slice(*places)]

    @cached_property
    def _order(self) -> list[int] | None:
        available = self.generator.count()
        if self.generator.synthetic or available is None:
            return None
        drawn = self.generator.draw_splits(self.sizes)
        if drawn is not None:
            return list(drawn)
        units = self.generator.units() or [str(index) for index in range(available)]
        return draw_order(units, self.sizes, self.generator.seed)

    def is_whole(self) -> bool:
        return self.store.holds(0, self.count)

    def count_rejected(self) -> int | None:
        """How many draws its generator threw away for these samples; None when it throws none away."""
        counts = [info["rejected"] for info in self.store.infos(self.count) if "rejected" in info]
        return sum(counts) if counts else None

    def sample(self, index: int) -> Sample:
        """One sample with its truth."""
        return to_sample(self.store.record(index))


@dataclass(frozen=True)
class Split:
    """A range of indices of a set."""

    samples: SampleSet
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def indices(self) -> range:
        return range(self.start, self.stop)


def to_record(sample: Sample) -> Record:
    """A sample as the store keeps it."""
    truth = {_TRUTH + name: array for name, array in sample.truth.items()}
    return Record({"inputs": sample.inputs, **truth}, sample.info)


def to_sample(record: Record) -> Sample:
    """The reverse of :func:`to_record`."""
    truth = {k.removeprefix(_TRUTH): v for k, v in record.arrays.items() if k.startswith(_TRUTH)}
    return Sample(record.arrays["inputs"], truth, record.info)
