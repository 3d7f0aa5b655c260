"""What scores are measured on takes no part in the training."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from kdkit import DataError, Generator, Sample, array_digest
from kdkit.runs.run import Run
from kdkit.stages import generate

SMALL = ("samples.train=6", "samples.validation=2", "samples.evaluation=4", "controls=[]")


class Recorded(Generator):
    """Twelve clips of six patients. ``content``: the number of the content of each clip."""

    synthetic = False
    content = list(range(12))
    patients = [f"p{number // 2}" for number in range(12)]

    def count(self) -> int:
        return len(self.patients)

    def units(self) -> list[str]:
        return self.patients

    def generate(self, indices) -> Iterator[Sample]:
        for index in indices:
            clip = np.random.default_rng(self.content[index]).integers(0, 256, (4, 16, 16)).astype(np.uint8)
            yield Sample(clip, info={"name": f"clip{index}", "unit": self.patients[index]})


class Elsewhere(Recorded):
    """Another folder with other clips of other patients."""

    content = list(range(100, 112))
    patients = [f"q{number}" for number in range(12)]


def recorded(run: Run, training=Recorded, evaluation=None) -> Run:
    own = training(training.Options())
    other = evaluation and evaluation(evaluation.Options())
    experiment = replace(run.experiment, generator=own, evaluation_generator=other)
    return Run(experiment, run.folder, run.root, run.progress)


def units(split) -> set[str]:
    return {split.samples.sample(index).unit for index in split.indices}


def test_patients_are_drawn_into_one_split_each(prepare):
    run = recorded(prepare(*SMALL))
    generate.execute(run)
    assert generate.is_whole(run)
    (arm,) = run.arms
    splits = [units(part.split) for part in (run.evaluation, arm.validation, arm.training)]
    assert [len(part) for part in splits] == [2, 1, 3]
    assert len(set.union(*splits)) == 6
    names = [run.evaluation.split.samples.sample(index).info["name"] for index in run.evaluation.split.indices]
    assert sorted(names) != [f"clip{index}" for index in range(4)]


def test_other_recordings_may_be_evaluated_on(prepare):
    run = recorded(prepare(*SMALL), evaluation=Elsewhere)
    generate.execute(run)
    assert generate.is_whole(run)


class CopiesElsewhere(Recorded):
    """Another folder with the same clips, of other names and patients."""

    patients = [f"r{number}" for number in range(12)]

    def generate(self, indices) -> Iterator[Sample]:
        for sample in super().generate(indices):
            yield replace(sample, info={**sample.info, "name": f"export-{sample.info['name']}"})


class CopiesInside(Recorded):
    """Every clip twice, as of different patients."""

    content = [*range(6), *range(6)]
    patients = [f"p{number}" for number in range(12)]


@pytest.mark.parametrize(
    ("training", "evaluation", "match"),
    [
        (Recorded, CopiesElsewhere, r"samples? takes? part in training and .* clip\d+ is export-clip\d+"),
        (CopiesInside, None, r"clip\d+ is clip\d+"),
    ],
)
def test_a_recording_in_two_splits_is_refused_by_name(prepare, training, evaluation, match):
    run = recorded(prepare(*SMALL), training, evaluation)
    with pytest.raises(DataError, match=match) as refusal:
        generate.execute(run)
    assert "another folder, split or pattern" in refusal.value.remedy
    assert not generate.is_whole(run)


def test_a_control_is_not_trained_on_what_is_evaluated_on_either(prepare):
    run = prepare(*SMALL[:3], "controls=[{generator: {name: noise, shape: [4, 16, 16]}}]")
    copies, other = CopiesElsewhere(CopiesElsewhere.Options()), Recorded(Recorded.Options())
    experiment = replace(run.experiment, control_generators=[copies], evaluation_generator=other)
    with pytest.raises(DataError, match=r"export-clip\d+ is clip\d+"):
        generate.execute(Run(experiment, run.folder, run.root, run.progress))


def test_patients_in_two_splits_of_one_kind_of_source_are_refused(prepare, monkeypatch):
    run = recorded(prepare(*SMALL), evaluation=Recorded)
    run.experiment.evaluation_generator.content = list(range(100, 112))
    monkeypatch.setattr(run.experiment.evaluation_generator, "fingerprint", lambda: "another-folder")
    with pytest.raises(DataError, match=r"clip\d+ is of p\d, as clip\d+ is"):
        generate.execute(run)


def test_too_few_patients_for_whole_splits_say_so(prepare):
    run = recorded(prepare("samples.train=6", "samples.validation=3", "samples.evaluation=3", "controls=[]"))
    with pytest.raises(DataError, match=r"asks for 12 samples .* but it has 10 \(12 in all; no patient"):
        generate.execute(run)


def test_simulated_sources_are_not_compared(prepare, monkeypatch):
    run = prepare(*SMALL)
    monkeypatch.setattr("kdkit.sample.array_digest", lambda array: pytest.fail("nothing to compare"))
    generate.execute(run)
    assert generate.is_whole(run)


def test_the_inputs_count_and_not_their_type_alone():
    zeros = np.zeros((2, 3), np.uint8)
    assert Sample(zeros).content == Sample(zeros.copy(), info={"name": "b"}).content
    assert len({Sample(other).content for other in [zeros, zeros.T, zeros.astype(np.int8)]}) == 3


def test_two_parts_of_one_recording_are_the_same():
    whole = np.arange(12, dtype=np.uint8)
    parts = [Sample(whole[part], info={"content": array_digest(whole)}) for part in (slice(4), slice(3, 9))]
    assert {part.content for part in parts} == {Sample(whole).content}
