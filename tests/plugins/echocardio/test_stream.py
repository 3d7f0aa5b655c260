"""Frame by frame: the same predictions as on the whole clip, and one clear message for what does not fit."""

import dataclasses

import numpy as np
import pytest
import torch

import kdkit
from kdkit import KdkitError
from kdkit.plugins.registry import discover
from kdkit.recipe.load import load_experiment
from kdkit.runs.student import write_student


def save_student(folder, *settings, seed=0):
    """A student with random weights, and statistics as training would leave them behind."""
    experiment = load_experiment(discover(), "echocardio", None, settings)
    torch.manual_seed(seed)
    network = experiment.student.build()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
    write_student(folder, network, experiment, {"fingerprint": "none"})
    return kdkit.load_student(folder)


@pytest.fixture
def student(home, tmp_path):
    return save_student(tmp_path / "student", "student.blocks=2", "student.width=4")


def clip(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    "settings",
    [
        ("student.blocks=4", "student.layers=1"),
        ("student.blocks=2", "student.layers=3", "student.width=5"),
        ("student.blocks=1", "student.width=3"),
        ("student.variant=paper", "student.blocks=3", "student.layers=2", "student.width=4"),
        ("student.variant=paper", "student.blocks=1", "student.width=2"),
    ],
)
@pytest.mark.parametrize("shape", [(9, 33, 18), (40, 16, 16), (1, 3, 5)])
def test_a_stream_is_the_whole_clip(home, tmp_path, settings, shape):
    student, frames = save_student(tmp_path / "student", *settings), clip(*shape)
    stream = student.stream()
    steps = np.stack([stream.step(frame) for frame in frames])
    whole = student.network(torch.from_numpy(frames[None]))[0].sigmoid().numpy()
    assert steps.dtype == np.float32
    np.testing.assert_allclose(steps, whole, rtol=0, atol=1e-5)
    # What is kept of a prediction is rounded to 8 bits.
    np.testing.assert_allclose(steps, student.predict(frames[None])[0], rtol=0, atol=0.51 / 255)


def test_a_state_that_was_kept_goes_on_where_it_was(student):
    frames, stream = clip(6, 20, 20), student.stream()
    for frame in frames[:3]:
        stream.step(frame)
    kept = stream.state
    rest = [stream.step(frame) for frame in frames[3:]]
    again = student.stream(kept)
    np.testing.assert_array_equal(rest, [again.step(frame) for frame in frames[3:]])
    assert again.state.frames == 6


@pytest.mark.parametrize("frame", [clip(21, 20), clip(20, 20, 1), clip(20, 20).astype(np.float32), np.uint8(3)])
def test_a_frame_of_another_size_or_type_is_refused_and_the_stream_goes_on(student, frame):
    frames, stream, undisturbed = clip(2, 20, 20), student.stream(), student.stream()
    stream.step(frames[0])
    undisturbed.step(frames[0])
    with pytest.raises(KdkitError, match=r"the frame is .* those of this clip are uint8 \(20, 20\)"):
        stream.step(frame)
    np.testing.assert_array_equal(stream.step(frames[1]), undisturbed.step(frames[1]))


@pytest.mark.parametrize("frame", [clip(2, 20, 20), clip(0, 5), np.array(["x"]), np.array(1)])
def test_a_first_frame_that_is_none_is_refused_with_the_inputs_contract(student, frame):
    with pytest.raises(KdkitError, match="cannot take a frame"):
        student.stream().step(frame)


def test_a_state_of_another_student_or_clip_is_refused(student, home, tmp_path):
    stream = student.stream()
    stream.step(clip(20, 20))
    other = save_student(tmp_path / "other", "student.blocks=2", "student.width=4", seed=1)
    with pytest.raises(KdkitError, match="another student's"):
        other.stream(stream.state)
    with pytest.raises(KdkitError, match=r"the frame is uint8 \(24, 20\), those of this clip are uint8 \(20, 20\)"):
        student.stream(stream.state).step(clip(24, 20))
    damaged = dataclasses.replace(stream.state, tensors=stream.state.tensors[:1])
    with pytest.raises(KdkitError, match="cannot take a frame"):
        student.stream(damaged).step(clip(20, 20))


def test_memory_stays_flat(student):
    frame, stream = clip(16, 16), student.stream()
    stream.step(frame)
    before = sum(tensor.nbytes for tensor in stream.state.tensors)
    for _ in range(200):
        stream.step(frame)
    assert sum(tensor.nbytes for tensor in stream.state.tensors) == before
    assert all(tensor.grad_fn is None for tensor in stream.state.tensors)


@pytest.mark.slow
def test_ten_thousand_frames_take_the_memory_of_a_few(student):
    import psutil

    stream, frames, process = student.stream(), clip(50, 32, 32), psutil.Process()
    sizes = []
    for step in range(10_000):
        stream.step(frames[step % len(frames)])
        if step % 1000 == 999:
            sizes.append(process.memory_info().rss)
    assert stream.state.frames == 10_000
    assert sum(tensor.nbytes for tensor in stream.state.tensors) < 2**20
    # Without gradients or history nothing is kept: less than a hundred bytes a frame, for allocators that fragment.
    assert sizes[-1] - sizes[0] < 100 * 9000
