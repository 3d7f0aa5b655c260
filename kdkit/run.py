"""A run: an experiment, where it is kept, and the artifacts that its stages hand on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kdkit.contracts.component import fingerprint_of
from kdkit.experiment import Experiment
from kdkit.progress import Progress
from kdkit.run_folder import CONTROL, STUDENT, RunFolder
from kdkit.store.samples import SampleSet, Split
from kdkit.store.shards import ShardStore


@dataclass(frozen=True)
class Labelled:
    """A split of samples with the store of the teacher's answers to them."""

    split: Split
    targets: ShardStore
    fingerprint: str

    def is_whole(self) -> bool:
        return self.targets.holds(self.split.start, self.split.stop)


@dataclass(frozen=True)
class Arm:
    """One student to be trained: the real one, or the control."""

    name: str
    training: Labelled
    validation: Labelled
    fingerprint: str


class Run:
    """What the stages work on; ``root`` is the folder of the shared store."""

    def __init__(self, experiment: Experiment, folder: RunFolder, root: Path, progress: Progress) -> None:
        self.experiment = experiment
        self.folder = folder
        self.root = root
        self.progress = progress

    @cached_property
    def evaluation(self) -> Labelled:
        """The samples that scores are measured on. Held apart at the front, so that more training samples can be
        appended later without touching them."""
        counts = self.experiment.recipe.samples
        own = self.experiment.evaluation_generator
        samples = SampleSet.of(own, counts.evaluation, self.root) if own else self._main
        return self._labelled(Split(samples, 0, counts.evaluation))

    @cached_property
    def arms(self) -> list[Arm]:
        """The student, and the control if there is one."""
        counts = self.experiment.recipe.samples
        first = 0 if self.experiment.evaluation_generator else counts.evaluation
        arms = [self._arm(STUDENT, self._main, first)]
        if self.experiment.control_generator:
            noise = SampleSet.of(self.experiment.control_generator, counts.validation + counts.train, self.root)
            arms.append(self._arm(CONTROL, noise, 0))
        return arms

    def sample_sets(self) -> Iterator[SampleSet]:
        """Every set that has to be generated, once."""
        seen = set()
        for samples in (self.evaluation.split.samples, *(arm.training.split.samples for arm in self.arms)):
            if samples.fingerprint not in seen:
                seen.add(samples.fingerprint)
                yield samples

    def labelled(self) -> Iterator[Labelled]:
        """Every split that the teacher has to answer."""
        yield self.evaluation
        for arm in self.arms:
            yield arm.validation
            yield arm.training

    @cached_property
    def _main(self) -> SampleSet:
        counts = self.experiment.recipe.samples
        count = counts.validation + counts.train
        if not self.experiment.evaluation_generator:
            count += counts.evaluation
        return SampleSet.of(self.experiment.generator, count, self.root)

    @cached_property
    def _teacher_fingerprint(self) -> str:
        return self.experiment.teacher.fingerprint()

    def _labelled(self, split: Split) -> Labelled:
        fingerprint = fingerprint_of(
            samples=split.samples.fingerprint,
            teacher=self._teacher_fingerprint,
            activation=self.experiment.domain.activation,
        )
        return Labelled(split, ShardStore(self.root / "targets" / fingerprint), fingerprint)

    def _arm(self, name: str, samples: SampleSet, first: int) -> Arm:
        recipe, experiment = self.experiment.recipe, self.experiment
        middle = first + recipe.samples.validation
        validation = self._labelled(Split(samples, first, middle))
        training = self._labelled(Split(samples, middle, middle + recipe.samples.train))
        fingerprint = fingerprint_of(
            targets=training.fingerprint,
            splits=[first, middle, training.split.stop],
            student=experiment.student.fingerprint(),
            objective=experiment.objective.fingerprint(),
            training=recipe.training.model_dump(mode="json"),
            seed=recipe.seed,
            precision=recipe.trainer.precision,
        )
        return Arm(name, training, validation, fingerprint)
