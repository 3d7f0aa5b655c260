"""Samples in a store, and the splits of them that stages work on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kdkit.contracts.generator import Generator
from kdkit.sample import Sample
from kdkit.store.shards import Record, ShardStore

_TRUTH = "truth."


@dataclass(frozen=True)
class SampleSet:
    """The first ``count`` samples of a generator, in the store under the generator's fingerprint."""

    generator: Generator
    count: int
    store: ShardStore
    fingerprint: str

    @staticmethod
    def of(generator: Generator, count: int, root: Path) -> SampleSet:
        """The set that lies below ``root``."""
        fingerprint = generator.fingerprint()
        return SampleSet(generator, count, ShardStore(root / "samples" / fingerprint), fingerprint)

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
