"""The promises of a generator, each against one that breaks it."""

import numpy as np
import pytest
from breaking import check_each_has_a_breaker, check_only, verdict_on

from kdkit import ComponentOptions, DataError, Field, Generator, Sample, Teacher
from kdkit.contracts.component import fingerprint_of
from kdkit.testing import GeneratorContract


class Squares(Generator):
    """Squares of random brightness."""

    class Options(ComponentOptions):
        size: int = Field(7, ge=2, description="Side in pixels.")
        bright: bool = Field(False, description="Whether all are bright.")

    def generate(self, indices):
        for index in indices:
            yield self.sample(index, self.rng(index))

    def sample(self, index, rng):
        image = rng.integers(200 if self.options.bright else 0, 256, (self.options.size,) * 2, dtype=np.uint8)
        return Sample(image, {"mean": np.array(image.mean())}, {"name": f"square-{index}"})


class SeedlessFingerprint(Squares):
    """The seed does not count."""

    def fingerprint(self):
        return fingerprint_of(options=self.options.model_dump(), **self.identity())


class OneTooMany(Squares):
    """Yields a sample even when none is asked for."""

    def generate(self, indices):
        yield from super().generate(list(indices) or [0])


class Moody(Squares):
    """Each instance draws from chance of its own."""

    def __init__(self, options=None, seed=0):
        super().__init__(options, seed)
        self.mood = int(np.random.default_rng().integers(1 << 30))

    def sample(self, index, rng):
        return super().sample(index, np.random.default_rng([self.mood, self.seed, index]))


class Chained(Squares):
    """Each sample is drawn from the random stream of the first one in the batch."""

    def generate(self, indices):
        indices = list(indices)
        rng = self.rng(indices[0]) if indices else None
        for index in indices:
            yield self.sample(index, rng)


class ReusedBuffer(Squares):
    """Yields the same array again and again."""

    def generate(self, indices):
        buffer = np.zeros((self.options.size,) * 2, np.uint8)
        for sample in super().generate(indices):
            buffer[...] = sample.inputs
            yield Sample(buffer, sample.truth, sample.info)


class AllAlike(Squares):
    """The index does not count."""

    def sample(self, index, rng):
        return super().sample(index, np.random.default_rng(self.seed))


class DeafToSeed(Squares):
    """The seed does not count."""

    def sample(self, index, rng):
        return super().sample(index, np.random.default_rng(index))


class ListAsTruth(Squares):
    """Truth is a list."""

    def sample(self, index, rng):
        sample = super().sample(index, rng)
        return Sample(sample.inputs, {"names": [1, 2]}, sample.info)


class ObjectsAsTruth(Squares):
    """Truth is an array of Python objects."""

    def sample(self, index, rng):
        sample = super().sample(index, rng)
        return Sample(sample.inputs, {"names": np.array([None, "a"], object)}, sample.info)


class NumpyInfo(Squares):
    """Info holds a number of numpy's."""

    def sample(self, index, rng):
        sample = super().sample(index, rng)
        return Sample(sample.inputs, sample.truth, {"fps": np.float32(30)})


class TupleInfo(Squares):
    """Info holds a tuple."""

    def sample(self, index, rng):
        sample = super().sample(index, rng)
        return Sample(sample.inputs, sample.truth, {"spacing": (1, 2)})


class Endless(Squares):
    """Says that there are six and gives more."""

    def count(self):
        return 6


class IndexErrors(Squares):
    """Ends with an error of Python's."""

    def count(self):
        return 2

    def sample(self, index, rng):
        return super().sample([0, 1][index], rng)


class Six(Squares):
    """There are six, and it says so."""

    def count(self):
        return 6

    def sample(self, index, rng):
        if index >= 6:
            raise DataError(f"there is no square {index}")
        return super().sample(index, rng)


class Recorded(AllAlike):
    """One recording, under any seed."""

    synthetic = False

    def count(self):
        return 1

    def sample(self, index, rng):
        if index:
            raise DataError("there is one recording")
        return Sample(np.arange(4, dtype=np.uint8))


class OpenFile(Squares):
    """Keeps an open file once it was used."""

    def generate(self, indices):
        self.file = open(__file__)  # noqa: PTH123, SIM115
        yield from super().generate(indices)


class Forgetful(Squares):
    """Loses its seed on the way to a worker."""

    def __getstate__(self):
        return {**self.__dict__, "seed": 100}


class Glad(Teacher):
    """Likes everything."""

    def build(self):
        raise NotImplementedError


class Taught(Squares):
    """Squares as the teacher likes them."""

    needs_gradients = True

    @classmethod
    def example_teacher(cls, folder):
        return Glad()


class DeafToTeacher(Taught):
    """The teacher does not count."""

    def fingerprint(self):
        return fingerprint_of(options=self.options.model_dump(), **self.identity(), seed=self.seed)


BROKEN = [
    (DeafToTeacher, "test_fingerprint_depends_on_the_teacher"),
    (SeedlessFingerprint, "test_fingerprint_depends_on_the_seed"),
    (OneTooMany, "test_it_yields_a_sample_for_each_index"),
    (Moody, "test_a_sample_is_always_the_same"),
    (Chained, "test_a_sample_does_not_depend_on_others"),
    (ReusedBuffer, "test_a_sample_does_not_depend_on_others"),
    (AllAlike, "test_samples_differ"),
    (DeafToSeed, "test_seeds_differ"),
    (ListAsTruth, "test_samples_can_be_stored"),
    (ObjectsAsTruth, "test_samples_can_be_stored"),
    (NumpyInfo, "test_info_is_plain"),
    (TupleInfo, "test_info_is_plain"),
    (Endless, "test_count_is_kept"),
    (IndexErrors, "test_count_is_kept"),
    (OpenFile, "test_it_can_be_sent_to_workers"),
    (Forgetful, "test_it_can_be_sent_to_workers"),
]


@pytest.mark.parametrize(("component", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_exactly_the_broken_promise_is_noticed(component, test):
    check_only(test, GeneratorContract, component)


def test_every_promise_has_a_breaker():
    check_each_has_a_breaker(GeneratorContract, [test for _, test in BROKEN])


@pytest.mark.parametrize("component", [Squares, Six, Recorded, Taught])
def test_good_generators_keep_all_promises(component):
    verdict = verdict_on(GeneratorContract, component)
    assert verdict.broken == []
    assert len(verdict.kept) >= 14
