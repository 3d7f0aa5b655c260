"""ONNX files, answered as numpy would."""

import sys

import numpy as np
import onnx
import pytest
import torch
from kdkit_teachers.onnx import Onnx
from onnx import TensorProto, helper, numpy_helper

from kdkit import DataError, KdkitError, WeightsError

WEIGHTS = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
INPUTS = np.random.default_rng(1).integers(0, 256, (5, 2, 2, 3), dtype=np.uint8)


def written(path, batch="batch", inputs=1, **how):
    """A linear classifier of images 2 x 2, with a second output."""
    images = [helper.make_tensor_value_info(f"images{i}", TensorProto.FLOAT, [batch, 3, 2, 2]) for i in range(inputs)]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("flat", "logits")]
    nodes = [
        helper.make_node("Flatten", ["images0"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(nodes, "linear", images, outputs, [numpy_helper.from_array(WEIGHTS, "weights")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path, **how)
    return path


def teacher(path, **options):
    return Onnx(Onnx.Options(file=path, output="logits", **options))


def expected():
    return (INPUTS.transpose(0, 3, 1, 2).reshape(5, 12) / 255) @ WEIGHTS


@pytest.mark.parametrize("batch", ["batch", 1, 3])
def test_it_answers_as_numpy_does_whatever_its_batch(batch, tmp_path):
    answers = teacher(written(tmp_path / "m.onnx", batch)).build()(torch.from_numpy(INPUTS))
    np.testing.assert_allclose(answers.numpy(), expected(), rtol=1e-4, atol=1e-5)


def test_it_gives_no_gradients_and_says_so(tmp_path):
    answers = teacher(written(tmp_path / "m.onnx")).build()(torch.from_numpy(INPUTS).float().requires_grad_(True))
    assert not answers.requires_grad
    assert Onnx.gradients is False


def test_weights_in_another_file_are_refused(tmp_path):
    path = written(tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    with pytest.raises(WeightsError, match="takes its weights from another file"):
        teacher(path).build()


def test_what_is_no_onnx_file_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"not a model")
    with pytest.raises(WeightsError, match="is not an ONNX file"):
        teacher(tmp_path / "m.onnx").build()


def test_a_model_of_two_inputs_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"takes images0 .*, images1 .*; a teacher takes one"):
        teacher(written(tmp_path / "m.onnx", inputs=2)).build()


def test_inputs_of_another_shape_are_told(tmp_path):
    network = teacher(written(tmp_path / "m.onnx")).build()
    with pytest.raises(DataError, match=r"cannot take inputs float32 \(1, 3, 4, 4\)"):
        network(torch.zeros(1, 4, 4, 3))


def test_without_onnxruntime_the_install_line_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(KdkitError) as caught:
        teacher(written(tmp_path / "m.onnx")).build()
    assert caught.value.remedy == "pip install 'kdkit-teachers[onnx]'"
