"""The DeepLabV3 teacher and the weights files that people have."""

import pickle
from pathlib import Path

import pytest
import torch
from kdkit_echocardio.framewise import Framewise
from kdkit_echocardio.networks.deeplab import ResidualBlock, build
from kdkit_echocardio.teacher import DEVIATION, EMBEDDED, MEAN, DeepLabV3
from pydantic import ValidationError
from safetensors.torch import save_file

from kdkit import WeightsError
from kdkit.engine.features import logits_and_features


def options(**values):
    return DeepLabV3.Options(**values)


def clips(count=1, frames=1):
    source = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, frames, 112, 112), dtype=torch.uint8, generator=source)


@pytest.fixture(scope="module")
def compact():
    torch.manual_seed(0)
    return build("compact").eval()


@pytest.fixture
def compact_file(compact, tmp_path):
    path = tmp_path / "compact.safetensors"
    save_file({key: value.contiguous() for key, value in compact.state_dict().items()}, path)
    return path


def ask(teacher, inputs):
    with torch.no_grad():
        return teacher.build().eval()(inputs)


def test_embedded_network_answers_without_options():
    teacher = DeepLabV3()
    assert list(teacher.files()) == [EMBEDDED]
    logits = ask(teacher, clips(2, 2))
    assert logits.shape == (2, 2, 112, 112)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


def test_release_layout_with_optimiser_and_prefix(tmp_path):
    torch.manual_seed(1)
    network = build("resnet50").half()
    path = tmp_path / "deeplabv3_resnet50_random.pt"
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    optimiser = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 1e-5, "params": [0]}]}
    torch.save(
        {
            "epoch": 42,
            "state_dict": state,
            "best_loss": 0.1,
            "loss": 0.1,
            "opt_dict": optimiser,
            "scheduler_dict": {"step_size": 15},
        },
        path,
    )
    loaded = DeepLabV3(options(weights=path)).build()
    assert sum(weight.numel() for weight in loaded.parameters()) == 39_633_729
    key = "classifier.4.bias"
    assert torch.equal(loaded.network.state_dict()[key], network.state_dict()[key].float())


@pytest.mark.parametrize(("prefix", "nested"), [("", False), ("module.", False), ("", True)])
def test_torch_files_bare_or_nested_prefixed_or_not(compact, tmp_path, prefix, nested):
    path = tmp_path / "weights.pt"
    state = {prefix + key: value for key, value in compact.state_dict().items()}
    torch.save({"state_dict": state} if nested else state, path)
    inputs = clips()
    expected = Framewise(compact, MEAN, DEVIATION, 0, 8)(inputs)
    logits = ask(DeepLabV3(options(weights=path, backbone="compact")), inputs)
    assert torch.allclose(logits, expected, atol=1e-5)


def test_normalisation_is_the_published_one(compact):
    inputs = clips()
    grey = inputs[0].float()[:, None].repeat(1, 3, 1, 1)
    mean = torch.tensor([32.085175, 32.591923, 33.37932])[:, None, None]
    deviation = torch.tensor([50.129288, 50.487717, 51.34619])[:, None, None]
    with torch.no_grad():
        expected = compact((grey - mean) / deviation)["out"][:, 0]
        logits = Framewise(compact, MEAN, DEVIATION, 0, 8)(inputs)[0]
    assert torch.allclose(logits, expected, atol=1e-5)


def test_the_compact_network_is_the_one_that_its_weights_were_trained_in(compact):
    """Neither rates nor shortcuts leave a trace in the names and shapes of weights."""
    pyramid = compact.classifier[0].convs
    assert [pyramid[place][0].dilation for place in (1, 2, 3)] == [(2, 2), (4, 4), (6, 6)]
    block = ResidualBlock(3, 3, rate=2).eval()
    for layer in block.body:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.zeros_(layer.weight)
    features = torch.randn(1, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(block(features), features.relu())


def test_chunks_change_nothing(compact):
    inputs = clips(1, 3)
    with torch.no_grad():
        together, apart = (Framewise(compact, MEAN, DEVIATION, 0, chunk)(inputs) for chunk in (100, 2))
    assert torch.allclose(together, apart, atol=1e-4)


def test_features_are_gathered_from_all_chunks_clip_by_clip(compact):
    inputs = clips(2, 3)
    with torch.no_grad():
        apart, alone = (
            logits_and_features(Framewise(compact, MEAN, DEVIATION, 0, chunk), part, ["network.backbone.0"])[1]
            for chunk, part in ((2, inputs), (100, inputs[1:]))
        )
    assert apart["network.backbone.0"].shape == (6, 24, 56, 56)
    assert torch.allclose(apart["network.backbone.0"][3:], alone["network.backbone.0"], atol=1e-4)


def test_gradients_reach_the_inputs(compact):
    inputs = clips().float().requires_grad_()
    Framewise(compact, MEAN, DEVIATION, 0, 8)(inputs).sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.abs().sum() > 0


def test_foreground_among_classes_is_its_softmax_probability(tmp_path):
    torch.manual_seed(2)
    network = build("compact", channels=4).eval()
    path = tmp_path / "classes.safetensors"
    save_file(network.state_dict(), path)
    inputs = clips()
    logits = ask(DeepLabV3(options(weights=path, backbone="compact", channels=4, foreground=2)), inputs)
    grey = inputs[0].float()[:, None].expand(-1, 3, -1, -1)
    normalised = (grey - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
    with torch.no_grad():
        expected = network(normalised)["out"].softmax(1)[:, 2]
    assert torch.allclose(logits.sigmoid()[0], expected, atol=1e-5)


def test_weights_of_another_architecture_name_the_keys(compact_file):
    with pytest.raises(WeightsError) as caught:
        DeepLabV3(options(weights=compact_file, backbone="mobilenet_v3_large")).build()
    assert str(compact_file) in str(caught.value)
    assert "missing: backbone." in str(caught.value)
    assert "unexpected: backbone." in str(caught.value)


def test_weights_with_other_channels_name_the_shape(compact_file):
    with pytest.raises(WeightsError, match=r"classifier\.4\.weight is \(1, 64, 1, 1\), not \(2, 64, 1, 1\)"):
        DeepLabV3(options(weights=compact_file, backbone="compact", channels=2)).build()


class Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_malicious_pickle_is_not_executed(tmp_path, writer):
    path, target = tmp_path / "weights.pt", tmp_path / "executed"
    content = {"state_dict": Malicious(target)}
    if writer == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(WeightsError, match=r"weights\.pt"):
        DeepLabV3(options(weights=path)).build()
    assert not target.exists()


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all\n" * 9, b"PK\x03\x04 half a zip"])
def test_damaged_files_are_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        DeepLabV3(options(weights=path)).build()


def test_truncated_weights_are_refused(compact_file):
    compact_file.write_bytes(compact_file.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match=r"compact\.safetensors"):
        DeepLabV3(options(weights=compact_file, backbone="compact")).build()


@pytest.mark.parametrize(
    "values",
    [
        {"weights": "/nowhere/weights.pt"},
        {"backbone": "resnet50"},
        {"channels": 2},
        {"backbone": "vgg"},
        {"foreground": 1},
        {"weight": "x"},
    ],
)
def test_options_that_cannot_be_meant(values):
    with pytest.raises(ValidationError):
        options(**values)


def test_fingerprint_follows_the_content_of_the_weights(compact_file):
    def fingerprint(path):
        return DeepLabV3(options(weights=path, backbone="compact")).fingerprint()

    moved = compact_file.with_name("moved.safetensors")
    moved.write_bytes(compact_file.read_bytes())
    assert fingerprint(moved) == fingerprint(compact_file)
    content = bytearray(compact_file.read_bytes())
    content[-1] ^= 1
    moved.write_bytes(bytes(content))
    assert fingerprint(moved) != fingerprint(compact_file)


def normalised(inputs, mean=MEAN, deviation=DEVIATION):
    grey = inputs[0].float()[:, None].expand(-1, 3, -1, -1)
    return (grey - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(deviation).view(3, 1, 1)


@pytest.mark.parametrize("backbone", ["resnet101", "mobilenet_v3_large"])
def test_published_backbones_load_from_half_precision_safetensors(tmp_path, backbone):
    torch.manual_seed(3)
    network = build(backbone, channels=2).half()
    path = tmp_path / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, path)
    loaded = DeepLabV3(options(weights=path, backbone=backbone, channels=2, foreground=1)).build()
    own = loaded.network.state_dict()
    assert all(torch.equal(own[key], value.to(own[key].dtype)) for key, value in network.state_dict().items())


def test_masks_of_their_own_are_each_a_sigmoid(tmp_path):
    torch.manual_seed(2)
    network = build("compact", channels=3).eval()
    path = tmp_path / "masks.safetensors"
    save_file(network.state_dict(), path)
    inputs = clips()
    chosen = options(weights=path, backbone="compact", channels=3, foreground=1, activation="sigmoid")
    logits = ask(DeepLabV3(chosen), inputs)
    with torch.no_grad():
        expected = network(normalised(inputs))["out"][:, 1]
    assert torch.allclose(logits[0], expected, atol=1e-5)


def test_normalisation_is_an_option(compact, compact_file):
    mean, deviation = (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)
    inputs = clips()
    chosen = options(weights=compact_file, backbone="compact", mean=mean, deviation=deviation)
    with torch.no_grad():
        expected = compact(normalised(inputs, mean, deviation))["out"][:, 0]
    assert torch.allclose(ask(DeepLabV3(chosen), inputs)[0], expected, atol=1e-5)
    with pytest.raises(ValidationError, match="above 0"):
        options(deviation=(1, 0, 1))


def test_the_auxiliary_head_of_the_training_is_passed_over(compact, tmp_path):
    path = tmp_path / "weights.pt"
    head = {"aux_classifier.0.weight": torch.zeros(3), "aux_classifier.4.bias": torch.zeros(1)}
    torch.save({"state_dict": {f"module.{key}": v for key, v in (compact.state_dict() | head).items()}}, path)
    inputs = clips()
    expected = Framewise(compact, MEAN, DEVIATION, 0, 8)(inputs)
    assert torch.allclose(ask(DeepLabV3(options(weights=path, backbone="compact")), inputs), expected, atol=1e-5)


def test_alternatives_are_other_options_that_can_be_written(compact_file):
    chosen = options(weights=compact_file, backbone="compact", channels=3, foreground=1)
    alternatives = DeepLabV3(chosen).alternatives()
    assert {"teacher.foreground=0", "teacher.foreground=2", "teacher.activation=sigmoid"} <= set(alternatives)
    assert any(setting.startswith("teacher.mean=[123.675, ") for setting in alternatives)
    for other in alternatives.values():
        assert other.options != chosen
        assert DeepLabV3.Options.model_validate(other.options.model_dump()) == other.options


def test_the_card_promises_something_for_the_embedded_weights_alone(compact_file):
    assert 0.8 < DeepLabV3().promise("dice") < 1
    assert DeepLabV3().promise("iou") is None
    assert DeepLabV3(options(weights=compact_file, backbone="compact")).promise("dice") is None


def test_constants_of_imagenet_on_a_network_of_echonets_are_told_with_both_figures():
    from dataclasses import replace

    from kdkit.engine.inference import freeze
    from kdkit.evaluation.teacher_check import check_teacher, first_samples
    from kdkit.plugins.registry import discover
    from kdkit.recipe.load import load_experiment

    experiment = load_experiment(discover(), "echocardio", None, ["evaluation.generator.frames=4"])
    wrong = DeepLabV3(options(mean=(123.675, 116.28, 103.53), deviation=(58.395, 57.12, 57.375)))
    samples = first_samples(experiment.evaluation_source, 16, prefer_labelled=True)
    doubts = check_teacher(replace(experiment, teacher=wrong), freeze(wrong.build()), samples).doubts
    assert any("teacher.mean=[32.085175, 32.591923, 33.37932]" in doubt for doubt in doubts)
    assert any(f"the card of its weights promises {wrong.promise('dice'):.2g}" in doubt for doubt in doubts), doubts
    right = DeepLabV3()
    assert check_teacher(replace(experiment, teacher=right), freeze(right.build()), samples).doubts == []
