"""The convlstm student in other forms: every length and frame size, and frame by frame."""

import json

import numpy as np
import onnxruntime
import pytest
import torch

import kdkit
from kdkit.api import export_student
from kdkit.plugins.registry import discover
from kdkit.recipe.load import load_experiment
from kdkit.runs.student import write_student


@pytest.fixture(scope="module", params=["default", pytest.param("paper", marks=pytest.mark.slow)])
def student(request, tmp_path_factory):
    """The folder of a small student with random weights, in each of the networks."""
    folder = tmp_path_factory.mktemp("student")
    experiment = load_experiment(
        discover(), "echocardio", None, [f"student.variant={request.param}", "student.blocks=2", "student.width=3"]
    )
    write_student(folder, experiment.student.build(), experiment, {"fingerprint": "none"})
    return folder


@pytest.fixture(scope="module")
def onnx_folder(student, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported") / "onnx"
    result = export_student(student, "onnx", out)
    assert [path.name for path in result.files] == ["model.onnx", "step.onnx"]
    assert all(agreement.largest_difference <= 1e-4 for agreement in result.agreement.values())
    return out


def clips(*shape):
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


SHAPES = [(1, 1, 1, 1), (1, 50, 24, 24), (3, 2, 17, 31), (1, 2, 112, 112)]


@pytest.mark.parametrize("shape", SHAPES)
def test_onnx_takes_whole_clips_of_every_length_and_size(student, onnx_folder, shape):
    session, inputs = onnxruntime.InferenceSession(onnx_folder / "model.onnx"), clips(*shape)
    (logits,) = session.run(["logits"], {"inputs": inputs})
    expected = kdkit.load_student(student).network(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_onnx_steps_through_a_stream_from_zeros_of_length_one(student, onnx_folder, shape):
    session, inputs = onnxruntime.InferenceSession(onnx_folder / "step.onnx"), clips(*shape)
    ports = [port for port in session.get_inputs() if port.name != "frame"]
    state = {p.name: np.zeros([n if isinstance(n, int) else 1 for n in p.shape], np.float32) for p in ports}
    outputs, frames = ["prediction", *(f"next_{name}" for name in state)], []
    for frame in inputs.swapaxes(0, 1):
        prediction, *after = session.run(outputs, {"frame": np.ascontiguousarray(frame), **state})
        state = dict(zip(state, after, strict=True))
        frames.append(prediction)
    expected = kdkit.load_student(student).network(torch.from_numpy(inputs)).sigmoid().numpy()
    np.testing.assert_allclose(np.stack(frames, 1), expected, rtol=0, atol=1e-4)


def test_both_files_say_what_they_are(student, onnx_folder):
    for name in ("model.onnx", "step.onnx"):
        facts = onnxruntime.InferenceSession(onnx_folder / name).get_modelmeta().custom_metadata_map
        assert facts["kdkit.student"] == "convlstm" and "uint8" in facts["kdkit.inputs"]
        assert json.loads(facts["kdkit.components"])["student"]["fingerprint"]
        assert facts["kdkit.weights_sha256"] == kdkit.file_digest(student / "weights.safetensors")


def test_torch_export_steps_without_kdkit(student, tmp_path):
    result = export_student(student, "torch-export", tmp_path / "out")
    assert [path.name for path in result.files] == ["initial_state.pt2", "step.pt2"]
    step, start = (torch.export.load(tmp_path / "out" / f"{name}.pt2").module() for name in ("step", "initial_state"))
    inputs = torch.from_numpy(clips(3, 5, 112, 112))
    state, frames = start(inputs[:, 0].contiguous()), []
    for time in range(5):
        logits, *state = step(inputs[:, time].contiguous(), *state)
        frames.append(logits)
    expected = kdkit.load_student(student).network(inputs)
    torch.testing.assert_close(torch.stack(frames, 1), expected, rtol=1e-4, atol=1e-4)


def test_safetensors_carry_what_they_are(student, tmp_path):
    from safetensors import safe_open

    export_student(student, "safetensors", tmp_path / "out")
    with safe_open(tmp_path / "out" / "weights.safetensors", "np") as file:
        assert file.metadata()["kdkit.student"] == "convlstm"
    inputs = clips(1, 3, 20, 20)
    again = kdkit.load_student(tmp_path / "out").predict(inputs)
    np.testing.assert_array_equal(again, kdkit.load_student(student).predict(inputs))
