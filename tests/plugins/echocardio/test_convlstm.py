"""The ConvLSTM student: the paper's network weight for weight, and the default one."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from kdkit_echocardio.networks.convlstm import CHUNK, ConvLSTMLayer
from kdkit_echocardio.networks.paper import PaperConvLSTM
from kdkit_echocardio.networks.recurrence import run_steps
from kdkit_echocardio.networks.views import RandomView
from kdkit_echocardio.student import ConvLSTM
from pydantic import ValidationError
from safetensors.torch import save_file

from kdkit import WeightsError
from kdkit.engine.features import logits_and_features
from kdkit.testing import StudentContract

GOLDEN = Path(__file__).parent / "golden"
WEIGHTS_BUDGET = 250_000

PAPER_COUNTS = [
    [5701, 16141, 26581, 37021],
    [39577, 91633, 143689, 195745],
    [174721, 392953, 611185, 829417],
    [714577, 1596937, 2479297, 3361657],
]


def build(**options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return ConvLSTM(ConvLSTM.Options(**options)).build()


def clips(*shape: int, seed: int = 0) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=source)


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


class TestDefaultContract(StudentContract):
    component = ConvLSTM
    inputs = clips(2, 3, 24, 24).numpy()
    output_shape = (3, 24, 24)


class TestPaperContract(StudentContract):
    component = ConvLSTM
    options = {"variant": "paper", "blocks": 2, "width": 4}
    inputs = clips(2, 3, 16, 16).numpy()
    output_shape = (3, 16, 16)


# --- the paper's network -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", [1, 2, 3, 4])
@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_paper_counts_are_exact(blocks: int, layers: int) -> None:
    with torch.device("meta"):
        assert count(PaperConvLSTM(blocks, layers)) == PAPER_COUNTS[blocks - 1][layers - 1]


def golden(size: int) -> tuple[OrderedDict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """The original's state dict, an input without its channel axis, and the output for it."""
    with np.load(GOLDEN / f"student_blocks{size}_layers{size}.npz") as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    prefix = "state_dict/"
    state = OrderedDict((name[len(prefix) :], value) for name, value in arrays.items() if name.startswith(prefix))
    return state, arrays["input"][:, :, 0], arrays["output"][:, :, 0]


@pytest.mark.parametrize("size", [1, 2])
def test_a_published_checkpoint_gives_the_published_output(size: int, tmp_path: Path) -> None:
    state, inputs, expected = golden(size)
    checkpoint = tmp_path / "last.ckpt"
    training = {"epoch": 3, "global_step": 7, "optimizer_states": [{"state": {}}], "hyper_parameters": {"lr": 1e-3}}
    torch.save({"state_dict": state, "pytorch-lightning_version": "2.0.0", **training}, checkpoint)
    network = build(variant="paper", blocks=size, layers=size, weights=checkpoint).eval()
    with torch.no_grad():
        assert (network(inputs) - expected).abs().max() < 1e-5
    assert set(network.state_dict()) == set(state)


def test_our_own_weights_load_again(tmp_path: Path) -> None:
    for variant in ("default", "paper"):
        trained = build(variant=variant, blocks=2, width=4)
        path = tmp_path / f"{variant}.safetensors"
        save_file({name: (value + 1).contiguous() for name, value in trained.state_dict().items()}, path)
        loaded = build(variant=variant, blocks=2, width=4, weights=path).state_dict()
        assert all(torch.equal(loaded[name], value + 1) for name, value in trained.state_dict().items())


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(golden(1)[0], path)
    with pytest.raises(WeightsError, match=r"another architecture[\s\S]*conv_lstm_blocks\.0\.conv_lstm_layers\.2"):
        build(variant="paper", blocks=1, layers=2, weights=path)
    with pytest.raises(WeightsError, match="another architecture"):
        build(weights=path)


def test_a_checkpoint_that_would_execute_code_is_refused(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": golden(1)[0], "callbacks": Attack()}, path)
    with pytest.raises(WeightsError, match="mkdir"):
        build(variant="paper", blocks=1, layers=1, weights=path)
    assert not (tmp_path / "executed").exists()


def test_the_weights_file_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(ValidationError):
        ConvLSTM.Options(weights=path)
    path.write_bytes(b"1")
    student = ConvLSTM(ConvLSTM.Options(weights=path))
    assert student.files() == [path]
    before = student.fingerprint()
    path.write_bytes(b"2")
    assert student.fingerprint() != before
    assert ConvLSTM().files() == []


def run_textbook(layer: ConvLSTMLayer, frames: torch.Tensor, steps: int) -> torch.Tensor:
    """The equations, one step and one convolution over [input, hidden] at a time."""
    hidden = memory = frames.new_zeros(len(frames) // steps, layer.cell.hidden, *frames.shape[2:])
    states = []
    for inputs in frames.chunk(steps):
        gates = layer.cell.conv(torch.cat([inputs, hidden], 1)).chunk(4, 1)
        enter, keep, leave = (gate.sigmoid() for gate in gates[:3])
        memory = keep * memory + enter * gates[3].tanh()
        hidden = leave * memory.tanh()
        states.append(hidden)
    return torch.cat(states)


@pytest.mark.parametrize("steps", [1, 4, CHUNK + 3])
@pytest.mark.parametrize("training", [True, False])
def test_the_recurrence_is_the_textbook_one(steps: int, training: bool) -> None:
    torch.manual_seed(0)
    layer = ConvLSTMLayer(2, 3).train(training)
    frames = torch.randn(steps * 2, 2, 5, 6)
    assert torch.allclose(layer(frames, steps), run_textbook(layer, frames, steps), atol=1e-6)


@pytest.mark.parametrize("steps", [1, 4, CHUNK + 3])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format], ids=["last", "first"])
def test_without_gradients_the_recurrence_is_the_textbook_one_too(
    steps: int, memory_format: torch.memory_format
) -> None:
    torch.manual_seed(0)
    layer = ConvLSTMLayer(2, 3).eval()
    frames = (20 * torch.randn(steps * 2, 2, 5, 6)).contiguous(memory_format=memory_format)
    before = frames.clone()
    with torch.inference_mode():
        ours = layer(frames, steps)
    assert torch.allclose(ours, run_textbook(layer, frames, steps), atol=1e-5)
    assert torch.equal(frames, before)


@pytest.mark.parametrize("training", [True, False])
def test_in_lower_precision_the_memory_keeps_what_is_small(training: bool) -> None:
    steps, layer = 1000, ConvLSTMLayer(1, 1).train(training)
    with torch.no_grad():
        layer.cell.conv.weight.zero_()
        # Little enters in each step, all is kept and shown: bfloat16 would stop adding at a quarter.
        layer.cell.conv.bias.copy_(torch.tensor([-7.0, 20.0, 20.0, 20.0]))
    with torch.inference_mode(not training), torch.autocast("cpu", torch.bfloat16):
        states = layer(torch.zeros(steps, 1, 1, 1), steps)
    assert states.dtype == torch.float32
    enters = torch.sigmoid(torch.tensor(-7.0))
    torch.testing.assert_close(states[-1, 0, 0, 0], torch.tanh(steps * enters), rtol=1e-3, atol=0)


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format], ids=["last", "first"])
def test_gradients_that_are_written_out_are_those_of_autograd(steps: int, memory_format: torch.memory_format) -> None:
    torch.manual_seed(steps)
    layer = ConvLSTMLayer(2, 3).double()
    frames = torch.randn(steps * 2, 2, 5, 6, dtype=torch.float64).contiguous(memory_format=memory_format)
    frames.requires_grad_()
    ours = run_steps(layer.cell.from_inputs(frames), layer.cell.recurrent_weight, steps)
    plain = run_textbook(layer, frames, steps)
    torch.testing.assert_close(ours, plain)
    leaves, gradient = [frames, *layer.parameters()], torch.randn_like(plain)
    for one, other in zip(*(torch.autograd.grad(y, leaves, gradient) for y in (ours, plain)), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("variant", ["default", "paper"])
def test_the_gradient_of_a_gradient_is_refused_rather_than_wrong(variant: str) -> None:
    network, clips = build(variant=variant).train(), torch.rand(1, 2, 32, 32).requires_grad_()
    with pytest.raises(RuntimeError, match="no second derivatives in training"):
        torch.autograd.grad(network(clips).sum(), clips, create_graph=True)


def test_a_recurrent_layer_trains_in_lower_precision_too() -> None:
    torch.manual_seed(0)
    layer, frames = ConvLSTMLayer(2, 3), torch.randn(8, 2, 5, 6)
    full = torch.autograd.grad(layer(frames, 4).square().sum(), [*layer.parameters()])
    with torch.autocast("cpu", torch.bfloat16):
        states = layer(frames, 4)
    assert states.dtype == torch.float32
    lower = torch.autograd.grad(states.square().sum(), [*layer.parameters()])
    for one, other in zip(lower, full, strict=True):
        assert float((one - other).norm() / other.norm()) < 0.02


# --- the default network -----------------------------------------------------------------------------------------


def test_the_default_keeps_its_budget() -> None:
    assert count(build()) <= WEIGHTS_BUDGET


@pytest.mark.parametrize("blocks", [1, 2, 3, 4])
@pytest.mark.parametrize("layers", [1, 2])
def test_every_size_can_be_trained(blocks: int, layers: int) -> None:
    network = build(blocks=blocks, layers=layers, width=4).train()
    logits = network(clips(2, 3, 32, 32))
    torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.rand(2, 3, 32, 32)).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("variant", ["default", "paper"])
@pytest.mark.parametrize(("time", "height", "width"), [(1, 16, 16), (5, 33, 47), (2, 112, 80), (3, 7, 5)])
def test_any_length_and_frame_size(variant: str, time: int, height: int, width: int) -> None:
    network = build(variant=variant, width=4, blocks=3)
    for mode in (network.train(), network.eval()):
        logits = mode(clips(2, time, height, width))
        assert logits.shape == (2, time, height, width)
        assert logits.dtype == torch.float32
        assert logits.isfinite().all()


@pytest.mark.parametrize("variant", ["default", "paper"])
def test_no_frame_sees_a_later_one(variant: str) -> None:
    network = build(variant=variant, blocks=3, width=6).eval()
    one = clips(1, 6, 32, 32)
    other = one.clone()
    other[:, 4:] = clips(1, 2, 32, 32, seed=1)
    with torch.no_grad():
        first, second = network(one), network(other)
        assert torch.allclose(first[:, :4], second[:, :4], atol=1e-6)
        assert not torch.allclose(first[:, 4:], second[:, 4:], atol=1e-5)
        assert torch.allclose(network(one[:, :3]), first[:, :3], atol=1e-6), "a longer clip changes nothing before"


@pytest.mark.parametrize("variant", ["default", "paper"])
def test_earlier_frames_are_remembered(variant: str) -> None:
    network = build(variant=variant, blocks=3, width=6).eval()
    one = clips(1, 3, 32, 32)
    other = one.clone()
    other[:, 0] = clips(1, 32, 32, seed=1)
    with torch.no_grad():
        assert not torch.allclose(network(one)[:, 2], network(other)[:, 2], atol=1e-6)


@pytest.mark.parametrize("variant", ["default", "paper"])
def test_whole_numbers_and_floats_are_read_alike(variant: str) -> None:
    network = build(variant=variant, blocks=2, width=4).eval()
    one = clips(1, 2, 16, 16)
    with torch.no_grad():
        assert torch.equal(network(one), network(one.float()))


@pytest.mark.parametrize("variant", ["default", "paper"])
def test_features_are_those_of_each_clip_in_turn(variant: str) -> None:
    path = {"default": "encoder.1", "paper": "model.conv_lstm_blocks.1"}[variant]
    network, inputs = build(variant=variant, blocks=2).eval(), clips(3, 5, 16, 16)
    with torch.no_grad():
        found = logits_and_features(network, inputs, [path])[1][path]
        alone = logits_and_features(network, inputs[1:2], [path])[1][path]
    assert len(found) == 15
    torch.testing.assert_close(found[5:10], alone)


def test_the_default_learns_a_moving_disc() -> None:
    """A disc that only moves can be told from a brighter one that does not after a few steps."""
    torch.manual_seed(0)
    network = build(width=6, blocks=3).train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    losses = []
    for _ in range(40):
        centres = torch.randint(12, 36, (4, 1, 2)) + torch.randint(-3, 4, (4, 4, 2))
        masks = (rows - centres[..., :1, None]) ** 2 + (columns - centres[..., 1:, None]) ** 2 < 81
        noisy = (40 + 120 * masks + 20 * torch.randn(masks.shape)).clamp(0, 255).byte()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(noisy), masks.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.4 * losses[0]


# --- views -------------------------------------------------------------------------------------------------------


def test_a_view_is_undone() -> None:
    torch.manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(8, 2, 6, 6), (96, 96), mode="bicubic")
    view = RandomView(smooth)
    seen = view.apply(smooth)
    assert (seen - smooth).abs()[:, :, 24:72, 24:72].mean() > 0.05
    assert (view.undo(seen) - smooth).abs()[:, :, 24:72, 24:72].mean() < 0.01


def test_views_follow_the_seed_and_differ_between_clips() -> None:
    same = clips(1, 2, 24, 24).repeat(3, 1, 1, 1)
    seen = []
    for _ in range(2):
        torch.manual_seed(5)
        seen.append(RandomView(same).apply(same))
    assert torch.equal(*seen)
    assert not torch.equal(seen[0][0], seen[0][1])


def test_views_are_for_training_only() -> None:
    network = build(blocks=2, width=4, views=True)
    one = clips(1, 2, 32, 32)
    with torch.no_grad():
        assert not torch.equal(network.train()(one), network(one))
        assert torch.equal(network.eval()(one), network(one))


def test_views_are_refused_for_the_network_that_has_none() -> None:
    with pytest.raises(ValidationError, match="the paper's network has no views"):
        ConvLSTM.Options(variant="paper", views=True)
