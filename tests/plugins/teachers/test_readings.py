"""A model that is read wrongly, and what the check says of it: activation, normalisation, channel, colours."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from kdkit_teachers.ensemble_network import EnsembleNetwork
from kdkit_teachers.exported import Exported
from kdkit_teachers.image_teacher import ECHONET_MEAN, ECHONET_STD
from kdkit_teachers.images import ImageOptions
from pydantic import ValidationError

from kdkit.errors import KdkitError
from kdkit.evaluation.teacher_check import check_teacher, first_samples

GRAY = {"layout": "gray", "frames": True, "channel": 0}


class Model(torch.nn.Module):
    """Finds the bright discs of the toy domain in images (N, 1, H, W) whose values have gone through ``scale``."""

    def __init__(self, scale, end=lambda x: x, channels=1):
        super().__init__()
        self.scale, self.end, self.channels = scale, end, channels

    def forward(self, images):
        bright = 20 * (images - self.scale(torch.tensor(125.0)))
        return self.end(torch.cat([bright, *[-bright] * (self.channels - 1)], 1))


def unit(x):
    return x / 255


def echonet(x):
    return (x - ECHONET_MEAN[0]) / ECHONET_STD[0]


@pytest.fixture
def check(prepare, tmp_path):
    def examine(model, **options):
        batch = torch.export.Dim("batch", min=1)
        program = torch.export.export(model.eval(), (torch.rand(2, 1, 16, 16),), dynamic_shapes=({0: batch},))
        torch.export.save(program, tmp_path / "model.pt2")
        teacher = Exported(Exported.Options(file=tmp_path / "model.pt2", **(GRAY | options)))
        experiment = replace(prepare("controls=[]").experiment, teacher=teacher)
        samples = first_samples(experiment.evaluation_source, 4, prefer_labelled=True)
        return check_teacher(experiment, teacher.build().eval(), samples).doubts

    return examine


def test_a_model_that_is_read_rightly_raises_no_doubt(check):
    assert check(Model(unit)) == []


@pytest.mark.parametrize(("end", "channels"), [(torch.sigmoid, 1), (lambda x: x.softmax(1), 2)])
def test_probabilities_are_refused_and_read_where_the_option_says_so(end, channels, check):
    name = "sigmoid" if channels == 1 else "softmax"
    with pytest.raises(KdkitError, match="probabilities instead of logits") as caught:
        check(Model(unit, end, channels))
    assert f"teacher.activation={name}" in caught.value.remedy
    assert check(Model(unit, end, channels), activation=name) == []


def test_another_normalisation_that_fits_clearly_better_is_named(check):
    *_, doubt = check(Model(echonet))
    assert doubt.startswith("on 4 samples overlap is 0.0")
    assert "but 1.00 with teacher.divisor=1.0 teacher.mean=[32.085175] teacher.std=[50.129288]" in doubt


def test_another_channel_that_fits_clearly_better_is_named(check):
    (doubt,) = check(Model(unit, channels=2), channel=1)
    assert "but 1.00 with" in doubt
    assert "channel" in doubt


@pytest.mark.filterwarnings("ignore:.*is deprecated")
def test_probabilities_of_a_member_are_refused_by_its_path(prepare, tmp_path):
    from kdkit_teachers.ensemble import Ensemble

    path = "kdkit_teachers.example:brightness"
    torch.jit.script(torch.nn.Sigmoid()).save(tmp_path / "model.ts")
    members = [
        {"name": "callable", "path": path},
        {"name": "exported", "file": str(tmp_path / "model.ts"), "layout": "gray", "frames": True, "channel": 0},
    ]
    teacher = Ensemble(Ensemble.Options(members=members, activation="sigmoid"))
    network = teacher.build().eval()
    assert isinstance(network, EnsembleNetwork)
    experiment = replace(prepare("controls=[]").experiment, teacher=teacher)
    samples = first_samples(experiment.evaluation_source, 4, prefer_labelled=True)
    with pytest.raises(KdkitError, match=r"all values of teacher\.members\.1 lie in 0\.\.1"):
        check_teacher(experiment, network, samples)


def test_alternatives_are_settings_that_can_be_written(tmp_path):
    (tmp_path / "m.pt2").touch()
    for options in ({}, GRAY, {"layout": "raw"}, {"layout": "gray-to-color", "activation": "softmax"}):
        teacher = Exported(Exported.Options(file=tmp_path / "m.pt2", **options))
        for setting, other in teacher.alternatives().items():
            changes = {key.removeprefix("teacher."): value for key, value in (s.split("=") for s in _split(setting))}
            Exported.Options.model_validate(other.options.model_dump())
            assert set(changes) <= set(Exported.Options.model_fields)
            assert other.options != teacher.options


def _split(setting):
    return [f"teacher.{part.strip()}" for part in setting.split("teacher.") if part]


def test_colours_may_be_in_opencvs_order():
    from kdkit_teachers.networks import Adapted

    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8))
    torch.testing.assert_close(
        Adapted(torch.nn.Identity(), ImageOptions(bgr=True))(images), (images.float() / 255).flip(-1)
    )
    with pytest.raises(ValidationError, match="bgr is for the layout color"):
        ImageOptions(layout="gray", bgr=True)
