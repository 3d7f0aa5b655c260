"""The teacher that sees whole clips: its network, and clips of any length."""

import pytest
import torch
from kdkit_echocardio.clipwise import LONG, MARGIN, WINDOW, Clipwise, windows
from kdkit_echocardio.networks.deeplab import build
from kdkit_echocardio.networks.temporal import TemporalDeepLabV3, start_from_frames
from kdkit_echocardio.teacher import DEVIATION, MEAN, DeepLabV3
from pydantic import ValidationError
from safetensors.torch import save_file

from kdkit.engine.features import logits_and_features


@pytest.fixture(scope="module")
def network():
    """With weights that let time and detail have their say."""
    torch.manual_seed(0)
    network = TemporalDeepLabV3().eval()
    for last in (network.leave, network.refine[-1]):
        torch.nn.init.normal_(last.weight, std=0.1)
    return network


def clips(count=1, frames=4):
    source = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, frames, 112, 112), dtype=torch.uint8, generator=source)


class Neighbours(torch.nn.Module):
    """Each frame's own level plus a hundredth of the one before and after it: what comes of a frame is known."""

    def forward(self, values):
        time = torch.arange(values.shape[1])
        before, after = (values[:, (time + step).clamp(0, len(time) - 1)] for step in (-1, 1))
        return values + (before + after) / 100


def test_it_has_at_most_three_million_weights(network):
    assert sum(weight.numel() for weight in network.parameters()) < 3_000_000


def test_it_begins_as_the_network_for_single_frames():
    torch.manual_seed(0)
    frames = build("compact").eval()
    for module in frames.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2.0)
    values = torch.nn.functional.interpolate(torch.rand(1, 3, 14, 14) * 255, size=(112, 112), mode="bilinear")
    mean, deviation = torch.tensor(MEAN), torch.tensor(DEVIATION)
    with torch.no_grad():
        colour = values[0][:, None].expand(-1, 3, -1, -1)
        expected = frames((colour - mean[:, None, None]) / deviation[:, None, None])["out"][:, 0]
        network = TemporalDeepLabV3().eval()
        start_from_frames(network, frames, mean, deviation)
        logits = network((values - mean.mean()) / deviation.mean())[0]
    # Away from the edges, where zeros are added around pictures that are normalised differently.
    inner = (slice(None), slice(16, -16), slice(16, -16))
    assert torch.corrcoef(torch.stack([logits[inner].flatten(), expected[inner].flatten()]))[0, 1] > 0.99


@torch.no_grad()
def test_a_still_is_a_clip_whose_frames_repeat(network):
    still = (clips(1, 1).float() - 32) / 50
    repeated = network(still.expand(-1, 6, -1, -1))
    assert torch.allclose(repeated, network(still).expand(-1, 6, -1, -1), atol=1e-4)


@torch.no_grad()
def test_every_frame_is_seen_from_every_other(network):
    clip = (clips(1, 14).float() - 32) / 50
    changed = clip.clone()
    changed[:, 13] += 1
    # Frame 0 is out of the reach of all convolutions over time.
    assert not torch.allclose(network(clip)[:, 0], network(changed)[:, 0], atol=1e-5)


@torch.no_grad()
def test_clips_of_a_batch_do_not_see_each_other(network):
    pair = (clips(2, 3).float() - 32) / 50
    assert torch.allclose(network(pair)[1:], network(pair[1:]), atol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, WINDOW, WINDOW + 1, LONG, 200])
def test_windows_keep_each_frame_once_and_never_at_an_inner_edge(steps):
    kept = []
    for first, keep, stop in windows(steps):
        assert 0 <= first <= keep < stop <= min(first + WINDOW, steps)
        assert keep == 0 or keep - first >= MARGIN
        assert stop == steps or first + WINDOW - stop >= MARGIN
        kept += range(keep, stop)
    assert kept == list(range(steps))


@pytest.mark.parametrize("steps", [1, 2, WINDOW, WINDOW + 5, LONG, LONG + 1, 151])
def test_frames_of_clips_of_any_length_come_in_order(steps):
    values = torch.rand(3, steps, 2, 2) * 255
    stride = 2 if steps > LONG else 1
    expected = torch.empty_like(values)
    for start in range(stride):
        expected[:, start::stride] = Neighbours()((values[:, start::stride] - 10) / 5)
    assert torch.allclose(Clipwise(Neighbours(), 10.0, 5.0)(values), expected, atol=1e-4)


@torch.no_grad()
def test_features_are_gathered_clip_by_clip(network):
    wrapped, batch = Clipwise(network, 32.0, 50.0), clips(3, 14)
    together = logits_and_features(wrapped, batch, ["network.fine.0"])[1]["network.fine.0"]
    alone = logits_and_features(wrapped, batch[2:], ["network.fine.0"])[1]["network.fine.0"]
    assert together.shape == (42, 24, 56, 56)
    assert torch.allclose(together[28:], alone, atol=1e-4)


def test_gradients_reach_every_frame(network):
    batch = clips(1, 5).float().requires_grad_()
    Clipwise(network, 32.0, 50.0)(batch)[:, 2].sum().backward()
    assert (batch.grad.abs().sum((0, 2, 3)) > 0).all()
    assert batch.grad.isfinite().all()


@torch.no_grad()
def test_the_teacher_reads_its_weights_from_a_file(network, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)
    mean, deviation = (10.0, 20.0, 30.0), (40.0, 50.0, 60.0)
    options = DeepLabV3.Options(weights=path, backbone="temporal", mean=mean, deviation=deviation)
    logits = DeepLabV3(options).build().eval()(clips(1, 2))
    assert torch.allclose(logits, network((clips(1, 2).float() - 20) / 50), atol=1e-4)
    with pytest.raises(ValidationError, match="temporal has 1 channel"):
        DeepLabV3.Options(weights=path, backbone="temporal", channels=2)
