"""What is silently wrong stops a run, or is named in terminal, manifest and report with a bad verdict."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kdkit import DataError, Sample
from kdkit.runs.run import Run
from kdkit.stages.pipeline import run_stages
from kdkit.stages.sample_check import check_sample

SMALL = ("samples.train=4", "samples.validation=2", "samples.evaluation=4", "training.epochs=3", "controls=[]")


def finish(cli, *settings):
    """The lines that the terminal shows, the doubts in the manifest, and the page of a run that is whole."""
    result = cli("run", "toy", "--out", "run", *as_settings((*SMALL, *settings)))
    assert result.code == 0, result.err
    manifest = json.loads(Path("run/manifest.json").read_text())
    return result, manifest["doubts"], Path("run/report.html").read_text()


# Settings of the toy: whom they make doubtful, and how it is told.
COLLAPSED = {
    ("training.learning_rate=1e-30",): ("student", "it has not learnt its teacher's answers"),
    ("training.learning_rate=1e-29", "training.patience=2"): ("student", "its training was flat"),
    ("training.learning_rate=1000", "training.schedule=constant"): ("student", "its training diverged"),
    ("teacher.threshold=1",): ("teacher", "it calls everything background"),
    ("teacher.threshold=0",): ("teacher", "it calls everything foreground"),
}


@pytest.mark.parametrize("settings", COLLAPSED)
def test_a_collapse_is_named_in_terminal_manifest_and_report_with_a_bad_verdict(toy, cli, settings):
    about, sentence = COLLAPSED[settings]
    result, doubts, page = finish(cli, *settings)
    assert any(sentence in doubt for doubt in doubts[about])
    assert f"The {about} is not to be trusted" in result.out
    assert sentence in result.out.replace("\n", " ") and "doubtful: it" in result.err
    assert 'class="card verdict bad"' in page and sentence in page.replace("&#39;", "'")
    again = json.loads(cli("run", "toy", "--out", "run", "--json", *SMALL_SET, *as_settings(settings)).out)
    assert again["stages"] == [] and any(sentence in doubt for doubt in again["doubts"][about])


def as_settings(settings):
    return [part for setting in settings for part in ("--set", setting)]


SMALL_SET = as_settings(SMALL)


def test_a_run_that_went_well_is_not_doubted(toy, cli):
    result, doubts, page = finish(cli, "training.epochs=12", "training.learning_rate=0.5")
    assert doubts == {} and "doubtful" not in result.out + result.err + page


def test_one_sample_without_a_number_is_named(toy, cli, monkeypatch, prepare):
    metric = type(prepare().experiment.metrics["overlap"])
    measure = metric.measure

    def measure_badly(self, prediction, sample):
        return [(np.nan,)] if sample.info["name"] == "disc-002" else measure(self, prediction, sample)

    monkeypatch.setattr(metric, "measure", measure_badly)
    result, doubts, page = finish(cli, "training.epochs=1")
    assert "overlap of the student is not a finite number on disc-002" in doubts["metrics"]
    assert "overlap of 4 samples is not a finite number" in result.out
    assert "could be measured" not in result.out and 'class="card verdict bad"' in page
    assert "overlap of the student is not a finite number on disc-002" in page


class Uneven(torch.nn.Module):
    """Gives three frames, whatever it is given."""

    def forward(self, inputs):
        return (20 * (inputs.float() / 255 - 0.5))[:, :3]


def clips_of_several_lengths(run, lengths):
    generator = type("Uneven", (type(run.experiment.generator),), {})(run.experiment.generator.options)

    def generate(indices):
        for index, sample in zip(indices, type(run.experiment.generator).generate(generator, indices), strict=True):
            keep = lengths[index] if index < len(lengths) else lengths[-1]
            yield Sample(sample.inputs[:keep], {"mask": sample.truth["mask"][:keep]}, sample.info)

    generator.generate = generate
    return Run(replace(run.experiment, generator=generator), run.folder, run.root, run.progress)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        # In what the teacher is checked on, and only in what it labels later.
        ([3, 3, 4, 4], r"gives logits \(\d, 16, 16\) for a sample of \(\d, 16, 16\), the student"),
        ([3, 3, 3, 3, 3, 3, 3, 4], r"sample 7 has 4 frames, and its logits 3; of sample 6 both have the same number"),
    ],
)
def test_a_teacher_that_gives_another_number_of_frames_is_refused(prepare, monkeypatch, lengths, message):
    run = clips_of_several_lengths(prepare(*SMALL, "trainer.workers=1"), lengths)
    # The domain asks frame by frame, which hides it: here it asks for clips.
    monkeypatch.setattr(type(run.experiment.domain), "predict", lambda self, sample, infer: infer([sample.inputs])[0])
    monkeypatch.setattr(type(run.experiment.teacher), "build", lambda self: Uneven())
    with pytest.raises(DataError, match=message):
        run_stages(run)


IMAGE = np.random.default_rng(0).integers(0, 256, (4, 8, 8)).astype(np.uint8)
MASK = (IMAGE > 128).astype(np.uint8)


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (Sample(np.array([1.0, np.nan])), "inputs of sample 3 are not all finite"),
        (Sample(np.array([1.0, np.inf], np.float16)), "inputs of sample 3 are not all finite"),
        (Sample(np.stack([IMAGE, 255 - 255 * MASK], -1), {"mask": MASK.astype(bool)}), "hold its truth 'mask'"),
        (Sample(np.stack([IMAGE, MASK]), {"mask": MASK}), "hold its truth 'mask'"),
        (Sample(MASK * 255, {"mask": MASK}), ""),
        (Sample(np.stack([MASK] * 3, -1), {"mask": MASK}), ""),
        (Sample(MASK, {"mask": MASK[1]}), ""),
        (Sample(IMAGE, {"mask": MASK, "ef": np.array(61.0)}), ""),
        (Sample(IMAGE, {"mask": np.zeros_like(MASK), "none": np.zeros((0, 2)), "ef": np.array(np.nan)}), ""),
        (Sample(np.zeros_like(MASK), {"mask": MASK}), ""),
    ],
)
def test_inputs_that_are_not_finite_or_hold_their_truth_are_refused(sample, message):
    if not message:
        check_sample(3, sample)
        return
    with pytest.raises(DataError, match=message):
        check_sample(3, sample)
