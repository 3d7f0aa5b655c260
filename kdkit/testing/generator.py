"""The promises of a generator."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from functools import cached_property, partial
from itertools import combinations
from typing import ClassVar

import numpy as np

from kdkit.contracts.generator import Generator
from kdkit.contracts.teacher import Teacher
from kdkit.errors import DataError
from kdkit.sample import Sample
from kdkit.store.samples import to_record, to_sample
from kdkit.store.shards import ShardStore
from kdkit.testing.component import ComponentContract
from kdkit.testing.promise import MissingExampleError, attempt, does_not_apply, one_line, require
from kdkit.testing.samples import difference, first_difference

_PURE = "generation is stopped, resumed and split over processes: sample i must not depend on how it was reached"
_RNG = "Draw everything from self.rng(index), keep nothing from one sample to the next, and yield fresh arrays."


class GeneratorContract(ComponentContract):
    """What a generator promises.

    ::

        class TestLeafRenderer(GeneratorContract):
            component = LeafRenderer
            options = {"size": 64}

    ``sample_count``: how many samples are made. ``teacher``: one to try a generator with that ``needs_gradients``;
    without it, what the class's own ``example_teacher`` gives.
    """

    essential = ("test_it_yields_a_sample_for_each_index", "test_samples_can_be_stored")
    sample_count: ClassVar[int] = 4
    teacher: Teacher | None = None

    def make(self, seed: int = 0) -> Generator:
        """A new instance with these options, and with its teacher if it needs one."""
        generator: Generator = self.component(self.read_options(), seed=seed)
        if self.component.needs_gradients:
            generator.bind(self._teacher)
        return generator

    @cached_property
    def _teacher(self) -> Teacher:
        teacher = self.teacher or self.component.example_teacher(self.folder)
        if teacher is None:
            raise MissingExampleError(f"needs a teacher; give one as {self.component.__name__}.example_teacher")
        assert isinstance(teacher, Teacher)
        return teacher

    def check_examples(self) -> None:
        """As in the base, and there is a teacher where one is needed."""
        super().check_examples()
        self.make()

    def indices(self) -> list[int]:
        """The indices that are tried."""
        count = self.make().count()
        return list(range(self.sample_count if count is None else min(self.sample_count, count)))

    def test_it_yields_a_sample_for_each_index(self) -> None:
        """There is one sample for each index that was asked for."""
        for indices in ([], self.indices()):
            samples = list(self.make().generate(indices))
            require(
                len(samples) == len(indices) and all(isinstance(sample, Sample) for sample in samples),
                f"asked for {len(indices)} samples, it yields {len(samples)} of {_types(samples)}",
                "what is yielded is stored under the index that was asked for: one too few shifts all that follow",
                "Yield one kdkit.Sample for each index, in order; raise kdkit.DataError for one that is not there.",
            )

    def test_a_sample_is_always_the_same(self) -> None:
        """Sample i is the same from every instance with these options and this seed."""
        change = first_difference(self._samples(self.make()), self._samples(self.make()))
        require(not change, f"two instances make different samples: {change}", _PURE, _RNG)

    def test_a_sample_does_not_depend_on_others(self) -> None:
        """Sample i is the same alone, in any batch and in any order."""
        generator, indices = self.make(), self.indices()
        together = self._samples(generator)
        alone = [sample for index in indices for sample in generator.generate([index])]
        backwards = list(generator.generate(indices[::-1]))[::-1]
        for way, samples in (("alone", alone), ("in reverse order", backwards)):
            change = first_difference(together, samples)
            require(not change, f"asked for {way}, samples are not the same: {change}", _PURE, _RNG)

    def test_samples_differ(self) -> None:
        """Different indices give different samples."""
        generator = self.make()
        samples = [sample for index in self.indices() for sample in generator.generate([index])]
        if len(samples) < 2:
            does_not_apply("there is only one sample")
        alike = [pair for pair in combinations(self.indices(), 2) if _same_inputs(*(samples[i] for i in pair))]
        require(
            not alike,
            f"the same inputs: samples {', '.join(f'{one} and {other}' for one, other in alike)}",
            "a student learns nothing from a second copy, and one in the evaluation was seen in training",
            "Draw what makes a sample its own from self.rng(index).",
        )

    def test_seeds_differ(self) -> None:
        """Another seed gives other samples."""
        if not self.component.synthetic:
            does_not_apply("recordings are the same under every seed")
        one, other = self._samples(self.make(0)), self._samples(self.make(1))
        require(
            bool(first_difference(one, other)),
            "the seeds 0 and 1 give the same samples",
            "repeating an experiment with another seed would repeat it with the same data",
            "Draw from self.rng(index), which depends on the seed.",
        )

    def test_fingerprint_depends_on_the_seed(self) -> None:
        """Another seed gives another fingerprint."""
        require(
            self.make(0).fingerprint() != self.make(1).fingerprint(),
            "the seeds 0 and 1 have the same fingerprint",
            "samples are stored under it: those of one seed would be taken for those of another",
            "Leave fingerprint() as it is inherited, or build yours on super().fingerprint().",
        )

    def test_fingerprint_depends_on_the_teacher(self) -> None:
        """A generator that is given a teacher has another fingerprint with another teacher."""
        if not self.component.needs_gradients:
            does_not_apply("it is given no teacher")
        one, other = self.make(), self.make()
        assert other.teacher is not None
        changed = type(other.teacher)(other.teacher.options)
        vars(changed)["version"] = f"{changed.version}-next"
        other.bind(changed)
        require(
            one.fingerprint() != other.fingerprint(),
            "two teachers give the same fingerprint",
            "samples are stored under it: those made with one teacher would be taken for those of another",
            "Leave fingerprint() as it is inherited, or build yours on super().fingerprint().",
        )

    def test_samples_can_be_stored(self) -> None:
        """Inputs and truth come back from the store as they were."""
        store = ShardStore(self.folder / "store")
        why = "every sample goes through the store on its way to the teacher and the student"
        remedy = "Give numpy arrays of plain numbers (uint8, int64, float32, ...), inputs and each truth alike."
        for index, sample in zip(self.indices(), self._samples(self.make()), strict=True):
            plain = Sample(sample.inputs, sample.truth)
            back = attempt(partial(_stored, store, index, plain), f"sample {index} cannot be stored", why, remedy)
            change = difference(plain, back)
            require(not change, f"sample {index} is read back differently: {change}", why, remedy)

    def test_info_is_plain(self) -> None:
        """Info holds plain JSON values."""
        why = "info is stored as JSON beside the arrays"
        remedy = (
            "Use text, numbers, None, lists and dicts with text keys: float(x) for numpy's numbers, lists for tuples."
        )
        for sample in self._samples(self.make()):
            info = dict(sample.info)
            text = attempt(partial(json.dumps, info, allow_nan=False), f"info {info} is no JSON", why, remedy)
            require(
                json.loads(text) == info,
                f"info {info} is read back as {text}",
                why,
                remedy,
            )

    def test_count_is_kept(self) -> None:
        """Beyond count() there is a DataError, and nothing else."""
        count = self.make().count()
        if count is None:
            does_not_apply("there is no end of samples")
        why = "a recipe may ask for more than there is; the user is told so only by a DataError"
        remedy = "Raise kdkit.DataError in generate() for an index that is not below count()."
        require(count >= 1, "count() is 0", why, "Raise kdkit.DataError when a source holds nothing.")
        for index in (count, count + 7):
            outcome = "is given all the same"
            try:
                list(self.make().generate([index]))
            except DataError:
                continue
            except Exception as error:
                outcome = f"raises {one_line(error)}"
            require(False, f"there are {count} samples, and sample {index} {outcome}", why, remedy)

    def test_it_can_be_sent_to_workers(self) -> None:
        """A generator that was used can be pickled, and makes the same samples afterwards."""
        generator = self.make()
        before = self._samples(generator)
        why = "samples are made in worker processes, to which the generator is sent by pickle"
        remedy = (
            "Define the class at the top level of a module and keep only plain values on self: no open file, lambda "
            "or generator; open files inside generate()."
        )
        copy = attempt(lambda: pickle.loads(pickle.dumps(generator)), "it cannot be pickled", why, remedy)  # noqa: S301
        change = first_difference(before, list(copy.generate(self.indices())))
        if first_difference(before, self._samples(self.make())):
            remedy = _RNG  # it makes other samples whether pickled or not
        require(not change, f"after pickling it makes other samples: {change}", why, remedy)

    def _samples(self, generator: Generator) -> list[Sample]:
        return list(generator.generate(self.indices()))


def _same_inputs(one: Sample, other: Sample) -> bool:
    return np.array_equal(one.inputs, other.inputs)


def _stored(store: ShardStore, index: int, sample: Sample) -> Sample:
    store.write(index, [to_record(sample)])
    return to_sample(store.record(index))


def _types(objects: Sequence[object]) -> str:
    return ", ".join(sorted({type(sample).__name__ for sample in objects})) or "nothing"
