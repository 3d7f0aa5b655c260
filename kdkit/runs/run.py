"""A run: an experiment, where it is kept, and the artifacts that its stages hand on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kdkit.contracts.component import fingerprint_of
from kdkit.contracts.generator import Generator
from kdkit.plugins.calls import call
from kdkit.progress import Progress
from kdkit.recipe.experiment import Experiment, Term
from kdkit.recipe.schema import (
    AUTO_PRECISION,
    FULL_PRECISION,
    LOWER_PRECISIONS,
    MIXED_PRECISION,
    Control,
    Targets,
    Training,
)
from kdkit.runs.folder import STUDENT, RunFolder
from kdkit.store.samples import SampleSet, Split
from kdkit.store.shards import ShardStore

# What a precision of auto may become, for a training and for targets.
TRAINING_PRECISIONS = FULL_PRECISION, MIXED_PRECISION
_TARGET_PRECISIONS = FULL_PRECISION, *LOWER_PRECISIONS


@dataclass(frozen=True)
class LabelledSplit:
    """A split of samples with the store of their targets; ``source``: whose these are."""

    source: Targets
    split: Split
    targets: ShardStore
    fingerprint: str

    def is_whole(self) -> bool:
        return self.targets.holds(self.split.start, self.split.stop)


@dataclass(frozen=True)
class Arm:
    """One network to be trained: a student, or a control.

    ``model``: what it is called in scores. ``sample_source``: the name of the generator of its samples. ``number``:
    from 0, which of the students that differ in their seed alone. ``training``, ``validation``: None where an
    adversary makes samples up in the training. ``options``: how it is trained. ``seed``: of its initial weights and
    the order of its batches. ``precision``: it is trained in, for Lightning.
    """

    model: str
    sample_source: str
    number: int
    training: LabelledSplit | None
    validation: LabelledSplit | None
    options: Training
    seed: int
    precision: str
    fingerprint: str

    @property
    def name(self) -> str:
        """What its folders are called; number 0 is called as the model is."""
        return f"{self.model}-seed{self.number}" if self.number else self.model


class Run:
    """What the stages work on; ``root`` is the folder of the shared store."""

    def __init__(self, experiment: Experiment, folder: RunFolder, root: Path, progress: Progress) -> None:
        self.experiment = experiment
        self.folder = folder
        self.root = root
        self.progress = progress

    @cached_property
    def target_precision(self) -> str:
        """The precision that the teacher labels in; "auto" until one is chosen.

        What the run has written down counts first, then what targets of its samples lie in the store.
        """
        asked = self.experiment.recipe.trainer.precision
        if asked != AUTO_PRECISION:
            return asked
        recorded = self._recorded_target_precision()
        return recorded or next(filter(self._has_targets_in, _TARGET_PRECISIONS), AUTO_PRECISION)

    def is_precision_settled(self) -> bool:
        """Whether the precision of the targets is given, or was chosen and written down."""
        is_given = self.experiment.recipe.trainer.precision != AUTO_PRECISION
        return is_given or self._recorded_target_precision() is not None

    def settle_precision(self, choice: dict[str, Any]) -> None:
        """Write down the choice of a precision, which is ``chosen`` in it: targets lie where it says from now on."""
        self.folder.update_manifest(precision=choice)
        self.forget_targets()

    @property
    def training_precision(self) -> str:
        """The precision that students are trained in; full while "auto" has not been chosen for."""
        recorded = self._recorded_training_precision()
        return self.experiment.recipe.trainer.settle(recorded or FULL_PRECISION).precision

    def is_training_precision_settled(self) -> bool:
        """Whether the precision of the training is given, or was chosen and written down.

        An adversary makes its samples up in the training, so that there is none to measure by: it is full then.
        """
        return (
            self.experiment.recipe.trainer.precision != AUTO_PRECISION
            or not isinstance(self.experiment.generator, Generator)
            or self._recorded_training_precision() is not None
        )

    def settle_training_precision(self, choice: dict[str, Any]) -> None:
        """Write down the choice of the training's precision, which is ``chosen`` in it."""
        self.folder.update_manifest(training_precision=choice)
        self.forget_targets()

    def forget_targets(self) -> None:
        """Look up anew where the targets lie: a precision was chosen since, perhaps by another process."""
        for name in ("target_precision", "evaluation", "arms"):
            self.__dict__.pop(name, None)

    def _recorded_target_precision(self) -> str | None:
        return self._recorded_choice("precision", _TARGET_PRECISIONS)

    def _recorded_training_precision(self) -> str | None:
        return self._recorded_choice("training_precision", TRAINING_PRECISIONS)

    def _recorded_choice(self, key: str, choices: Sequence[str]) -> str | None:
        """None where the manifest has no choice, or one that kdkit does not make."""
        record = self.folder.manifest().get(key)
        chosen = record.get("chosen") if isinstance(record, dict) else None
        return chosen if chosen in choices else None

    def _has_targets_in(self, precision: str) -> bool:
        """Whether any evaluation sample, which are labelled first, has a target in this precision."""
        samples = self._samples[self.experiment.evaluation_source.fingerprint()]
        fingerprint = self._target_fingerprint(samples, "teacher", precision)
        return bool(ShardStore(self.root / "targets" / fingerprint).ranges())

    @cached_property
    def evaluation(self) -> LabelledSplit:
        """The samples that scores are measured on. Set apart at the front, so that more training samples can be
        appended later without touching them."""
        generator = self.experiment.evaluation_source
        return self._labelled_split(Split(self._samples[generator.fingerprint()], 0, self._evaluation_count))

    @cached_property
    def arms(self) -> list[Arm]:
        """The students, one for each seed, then each control, as often."""
        seeds = range(self.experiment.recipe.training.seeds)
        controls = zip(self.experiment.recipe.controls, self.experiment.control_generators, strict=True)
        return [
            *(self._student(number) for number in seeds),
            *(self._control(number, *control) for control in controls for number in seeds),
        ]

    def sample_sets(self) -> Iterator[SampleSet]:
        """Every set that has to be generated, once."""
        yield from self._samples.values()

    def labelled_splits(self) -> Iterator[LabelledSplit]:
        """Every split that the teacher has to label."""
        yield self.evaluation
        for arm in self.arms:
            if arm.number:
                continue  # networks of other seeds learn from the same targets
            yield from (part for part in (arm.validation, arm.training) if part)

    @cached_property
    def _samples(self) -> dict[str, SampleSet]:
        """Every set by its fingerprint: what the same generator makes for several places lies in one set."""
        counts, experiment = self.experiment.recipe.samples, self.experiment
        training_sources = [generator for generator, _ in self._training_sources()]
        evaluation_source = experiment.evaluation_source
        for generator in (*training_sources, evaluation_source):
            call(generator.read_files, self.progress)
        sizes = {key: [counts.validation, train] for key, train in self._training_counts().items()}
        key = evaluation_source.fingerprint()
        sizes[key] = [self._evaluation_count, *sizes.get(key, [])]
        generators = {g.fingerprint(): g for g in (evaluation_source, *reversed(training_sources))}
        return {key: SampleSet.of(generators[key], parts, self.root) for key, parts in sizes.items()}

    def _training_sources(self) -> Iterator[tuple[Generator, int]]:
        """The generators that networks are trained on, and how many of each one's samples."""
        recipe, experiment = self.experiment.recipe, self.experiment
        own = experiment.generator
        if isinstance(own, Generator):
            yield own, recipe.samples.train
        for control, generator in zip(recipe.controls, experiment.control_generators, strict=True):
            source = own if generator is None else generator
            if isinstance(source, Generator):
                yield source, control.count_samples(recipe.samples.train)

    def _training_counts(self) -> dict[str, int]:
        """By each generator's fingerprint, the most training samples that any network has of it."""
        counts: dict[str, int] = {}
        for generator, count in self._training_sources():
            key = generator.fingerprint()
            counts[key] = max(count, counts.get(key, 0))
        return counts

    def prediction_fingerprint(self, arm: Arm) -> str:
        """What an arm's predictions depend on."""
        return fingerprint_of(student=arm.fingerprint, samples=self.evaluation.split.samples.fingerprint)

    def predictions(self, arm: Arm) -> ShardStore:
        """The store of an arm's predictions."""
        return ShardStore(self.folder.predictions(arm.name) / self.prediction_fingerprint(arm))

    @property
    def _evaluation_count(self) -> int:
        return self.experiment.recipe.samples.evaluation

    @cached_property
    def _teacher_fingerprint(self) -> str:
        return self.experiment.teacher.fingerprint()

    def _labelled_split(self, split: Split, source: Targets = "teacher") -> LabelledSplit:
        fingerprint = self._target_fingerprint(split.samples, source, self.target_precision)
        return LabelledSplit(source, split, ShardStore(self.root / "targets" / fingerprint), fingerprint)

    def _target_fingerprint(self, samples: SampleSet, source: Targets, precision: str) -> str:
        domain, recipe = self.experiment.domain, self.experiment.recipe
        labeller: dict[str, Any] = {"teacher": self._teacher_fingerprint}
        if source == "untrained-teacher":
            labeller["untrained"] = recipe.seed
        elif source == "truth":
            labeller = {"truth": domain.fingerprint()}
        return fingerprint_of(
            samples=samples.fingerprint, activation=domain.activation, precision=precision, **labeller
        )

    def _student(self, number: int) -> Arm:
        recipe, generator = self.experiment.recipe, self.experiment.generator
        options, seed, source = recipe.training, training_seed(recipe.seed, number), recipe.generator.name
        if isinstance(generator, Generator):
            return self._arm(STUDENT, source, number, generator, "teacher", options, recipe.samples.train)
        counts = recipe.samples
        fingerprint = fingerprint_of(
            adversary=generator.fingerprint(),
            teacher=self._teacher_fingerprint,
            activation=self.experiment.domain.activation,
            samples=[counts.validation, counts.train],
            **self._training_parts(options, seed),
        )
        return Arm(STUDENT, source, number, None, None, options, seed, self.training_precision, fingerprint)

    def _control(self, number: int, control: Control, own: Generator | None) -> Arm:
        """Its samples and epochs may be fewer than the student's."""
        recipe, generator = self.experiment.recipe, own or self.experiment.generator
        assert isinstance(generator, Generator)
        source = (control.generator or recipe.generator).name
        options = recipe.training.model_copy(update={"epochs": control.count_epochs(recipe.training.epochs)})
        count = control.count_samples(recipe.samples.train)
        return self._arm(control.name, source, number, generator, control.targets, options, count)

    def _arm(
        self,
        model: str,
        source: str,
        number: int,
        generator: Generator,
        targets: Targets,
        options: Training,
        count: int,
    ) -> Arm:
        recipe, samples = self.experiment.recipe, self._samples[generator.fingerprint()]
        seed = training_seed(recipe.seed, number)
        first = self._evaluation_count if samples is self.evaluation.split.samples else 0
        middle = first + recipe.samples.validation
        validation = self._labelled_split(Split(samples, first, middle), targets)
        training = self._labelled_split(Split(samples, middle, middle + count), targets)
        fingerprint = fingerprint_of(
            targets=training.fingerprint,
            splits=[first, middle, training.split.stop],
            **self._training_parts(options, seed),
        )
        return Arm(model, source, number, training, validation, options, seed, self.training_precision, fingerprint)

    def _training_parts(self, options: Training, seed: int) -> dict[str, Any]:
        """What a student depends on beside its samples."""
        experiment = self.experiment
        return {
            "student": experiment.student.fingerprint(),
            "objective": _fingerprint_of_terms(experiment.terms),
            "training": options.model_dump(mode="json", exclude={"seeds"}),
            "seed": seed,
            "precision": self.training_precision,
        }


def training_seed(seed: int, number: int) -> int:
    """The training seed, 0 to 2**32 - 1, of student ``number`` under the recipe's ``seed``, which number 0 has."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) if number else seed


def _fingerprint_of_terms(terms: Sequence[Term]) -> str:
    """One objective alone has its own: its weight means nothing then."""
    if len(terms) == 1:
        return terms[0].objective.fingerprint()
    return fingerprint_of(terms=[[term.objective.fingerprint(), term.weight] for term in terms])
