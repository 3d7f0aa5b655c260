"""The contracts, kept by every component of the echocardiography plugin."""

from dataclasses import replace
from functools import cache, cached_property

import numpy as np
import pytest
import torch
from kdkit_echocardio.domain import Echocardio
from kdkit_echocardio.generator import Phantom
from kdkit_echocardio.metrics.echoclip import EchoClipPhase, EchoClipScore
from kdkit_echocardio.networks.deeplab import build
from kdkit_echocardio.student import ConvLSTM
from kdkit_echocardio.teacher import DeepLabV3
from safetensors.torch import save_file

from kdkit.plugins.registry import discover
from kdkit.testing import DomainContract, GeneratorContract, MetricContract, StudentContract, TeacherContract

pytestmark = pytest.mark.filterwarnings("error::kdkit.testing.ContractAdvice")

FRAMES = 8


class TestPhantom(GeneratorContract):
    component = Phantom
    options = {"frames": FRAMES, "size": 64}
    sample_count = 3


class TestDeepLabV3(TeacherContract):
    component = DeepLabV3
    output_shape = (FRAMES, 112, 112)

    @cached_property
    def options(self):
        path = self.folder / "weights.safetensors"
        with torch.random.fork_rng():
            torch.manual_seed(0)
            save_file({name: value.contiguous() for name, value in build("compact").state_dict().items()}, path)
        return {"weights": path, "backbone": "compact"}


@cache
def clips():
    """Three phantoms: uint8 (3, FRAMES, 64, 64); simulated when they are needed, not when tests are collected."""
    return np.stack([s.inputs for s in Phantom(Phantom.Options(frames=FRAMES, size=64)).generate(range(3))])


class OfClips(StudentContract):
    __test__ = False
    component = ConvLSTM
    inputs = property(lambda self: clips())


class TestConvLSTM(OfClips):
    __test__ = True
    output_shape = (FRAMES, 64, 64)


class TestPaperConvLSTM(OfClips):
    __test__ = True
    options = {"variant": "paper", "blocks": 2, "layers": 2}
    output_shape = (FRAMES, 64, 64)


class TestEchocardio(DomainContract):
    component = Echocardio


@cache
def cases():
    """Phantoms with predictions that are nearly their masks."""
    return list(_cases())


def _cases():
    rng = np.random.default_rng(0)
    for number, sample in enumerate(Phantom(Phantom.Options(frames=48, size=64)).generate(range(4))):
        shifted = np.roll(sample.truth["mask"], number, axis=0)
        doubt = rng.normal(0, 0.05, shifted.shape)
        prediction = np.clip(0.1 + 0.8 * shifted + doubt, 0, 1).astype(np.float32)
        others = {"teacher": sample.truth["mask"], "probes": np.stack([prediction] * 3)}
        yield prediction, replace(sample, truth={**sample.truth, **others})


REGISTRY = discover({})
(PLUGIN,) = (plugin for plugin in REGISTRY.plugins if plugin.name == "echocardio")

for entry in PLUGIN.entries["metric"]:
    if entry.name.startswith("echoclip"):
        continue  # below, with cases of their own: asking about a frame takes its time
    metric = REGISTRY.component("metric", entry.name)
    name = f"Test{entry.name.title().replace('-', '')}"
    globals()[name] = type(name, (MetricContract,), {"component": metric, "cases": property(lambda self: cases())})


class NeedsOpenClip(MetricContract):
    __test__ = False

    def setup_method(self):
        pytest.importorskip("open_clip", reason="the extra open-clip of kdkit is not installed")


class TestEchoClipScore(NeedsOpenClip):
    __test__ = True
    component = EchoClipScore


class TestEchoClipPhase(NeedsOpenClip):
    __test__ = True
    component = EchoClipPhase
