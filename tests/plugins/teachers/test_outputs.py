"""Outputs as models have them: labels first, probabilities already, several of them; and wrong layouts."""

import numpy as np
import onnx
import pytest
import torch
from kdkit_teachers.callable import FromCallable
from kdkit_teachers.ensemble_network import EnsembleNetwork
from kdkit_teachers.exported import Exported
from kdkit_teachers.images import ImageOptions
from kdkit_teachers.networks import Adapted
from kdkit_teachers.onnx import Onnx
from kdkit_teachers.outputs import to_logits
from onnx import TensorProto, helper, numpy_helper

from kdkit import DataError, WeightsError

INPUTS = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (5, 2, 2, 3), dtype=np.uint8))
WEIGHTS = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)


def write_onnx(path, nodes, outputs, domains=("",)):
    """A linear classifier of images 2 x 2; ``nodes`` make the outputs of its ``logits``."""
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 2, 2])
    linear = [
        helper.make_node("Flatten", ["images"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
    ]
    graph = helper.make_graph(
        [*linear, *nodes], "linear", [images], outputs, [numpy_helper.from_array(WEIGHTS, "weights")]
    )
    opsets = [helper.make_opsetid(domain, 17 if not domain else 3) for domain in domains]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


LABEL = helper.make_tensor_value_info("label", TensorProto.INT64, None)
PROBABILITIES = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, None)
ARGMAX = helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0)
SOFTMAX = helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1)


def onnx_teacher(path, **options):
    return Onnx(Onnx.Options(file=path, **options)).build()


def test_class_numbers_are_told(tmp_path):
    with pytest.raises(DataError, match=r"output 'label' gives int64 \(5,\): class numbers") as caught:
        onnx_teacher(write_onnx(tmp_path / "m.onnx", [ARGMAX], [LABEL]))(INPUTS)
    assert "without argmax" in caught.value.remedy


def test_the_label_first_is_told_with_the_output_to_set(tmp_path):
    path = write_onnx(tmp_path / "m.onnx", [ARGMAX, SOFTMAX], [LABEL, PROBABILITIES])
    with pytest.raises(DataError) as caught:
        onnx_teacher(path)(INPUTS)
    assert "probabilities: float32 (5, 4)" in caught.value.remedy
    assert "teacher.output" in caught.value.remedy
    logits = onnx_teacher(path, output="probabilities", activation="softmax")(INPUTS)
    scores = torch.from_numpy((INPUTS.numpy().transpose(0, 3, 1, 2).reshape(5, 12) / 255) @ WEIGHTS)
    torch.testing.assert_close(logits.softmax(-1), scores.softmax(-1).float(), rtol=1e-4, atol=1e-5)


def test_probabilities_as_a_list_of_mappings_are_told(tmp_path):
    mapping = helper.make_node(
        "ZipMap", ["probabilities"], ["maps"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2, 3]
    )
    kind = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    maps = helper.make_value_info("maps", helper.make_sequence_type_proto(kind))
    path = write_onnx(tmp_path / "m.onnx", [ARGMAX, SOFTMAX, mapping], [LABEL, maps], ("", "ai.onnx.ml"))
    with pytest.raises(DataError, match=r"output 'maps' gives a list \(a mapping") as caught:
        onnx_teacher(path, output="maps")(INPUTS)
    assert "zipmap" in caught.value.remedy


@pytest.mark.filterwarnings("ignore:.*is deprecated")
@pytest.mark.parametrize("kind", ["torchscript", "program"])
def test_a_wrong_layout_is_told_alike(kind, tmp_path):
    torch.manual_seed(0)
    network, example = torch.nn.Conv2d(1, 2, 3, padding=1).eval(), torch.rand(2, 1, 4, 4)
    path = tmp_path / "model.pt"
    if kind == "torchscript":
        torch.jit.trace(network, example).save(path)
    else:
        torch.export.save(torch.export.export(network, (example,)), path)
    with pytest.raises(DataError, match=r"the model cannot take inputs float32 \(\d, 3, 2, 2\): \w+: .+") as caught:
        Exported(Exported.Options(file=path)).build()(INPUTS)
    assert "\n" not in caught.value.message
    assert "teacher.layout is color" in caught.value.remedy


class Returns(torch.nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, images):
        return self.answer(images)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: None, "nothing"),
        (lambda x: (), "a tuple of 0"),
        (lambda x: [x.argmax(1), x], "output 0 gives int64"),
        (lambda x: {"out": None}, "output 'out' gives nothing"),
        (lambda x: x.mean((1, 2, 3)), "without an axis of channels"),
        (lambda x: x[:1], "first axis is not the samples"),
        (lambda x: x.mean(), "first axis is not the samples"),
        (lambda x: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_outputs_that_are_no_logits_are_told(answer, message):
    with pytest.raises(DataError, match=message):
        Adapted(Returns(answer), ImageOptions())(INPUTS)


def test_a_member_of_an_ensemble_is_named():
    good, bad = Returns(lambda x: x.float()), Returns(lambda x: x.argmax(-1))
    with pytest.raises(DataError, match=r"member 2 of the ensemble gives int64") as caught:
        EnsembleNetwork([good, bad], type("Options", (), {"shares": None}))(INPUTS)
    assert "teacher.members.1" in caught.value.remedy


@pytest.mark.parametrize(("activation", "channel"), [("softmax", None), ("softmax", 2), ("sigmoid", 1)])
def test_probabilities_become_the_logits_they_came_from(activation, channel):
    def shares(x):
        return 3 * (x - 0.5)

    def probabilities(x):
        return shares(x).softmax(1) if activation == "softmax" else shares(x).sigmoid()

    answer = Adapted(Returns(probabilities), ImageOptions(activation=activation, channel=channel))(INPUTS)
    logits = shares(INPUTS.float() / 255)
    if channel is None:
        torch.testing.assert_close(answer.softmax(-1), logits.softmax(-1))
    elif activation == "sigmoid":
        torch.testing.assert_close(answer, logits[..., channel], rtol=1e-4, atol=1e-4)
    else:
        torch.testing.assert_close(answer.sigmoid(), logits.softmax(-1)[..., channel])


def test_certain_probabilities_stay_finite():
    values = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    for activation in ("softmax", "sigmoid"):
        logits = to_logits(values, activation, -1)
        assert logits.isfinite().all()
        assert (logits[:, 0] < logits[:, 1]).tolist() == [True, False]


@pytest.mark.parametrize(
    ("values", "activation", "told"),
    [
        ([[-3.0, 2.0]], "softmax", "activation=none"),
        ([[-3.0, 2.0]], "sigmoid", "activation=none"),
        ([[0.9, 0.8]], "softmax", "activation=sigmoid"),
        ([[0.9]], "softmax", "activation=sigmoid"),
    ],
)
def test_an_activation_that_was_not_applied_is_told(values, activation, told):
    with pytest.raises(DataError) as caught:
        to_logits(torch.tensor(values), activation, -1)
    assert told in caught.value.remedy


def test_a_function_may_return_probabilities():
    options = FromCallable.Options(
        path="kdkit_teachers.example:brightness", arguments={"threshold": 0.0}, activation="sigmoid"
    )
    with pytest.raises(DataError, match="are no probabilities"):
        FromCallable(options).build()(INPUTS)


@pytest.mark.parametrize("teacher", [Exported, Onnx])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"<!DOCTYPE html>", "web page"),
        (b"", "is empty"),
        (b"PK\x03\x04" + bytes(99), r"m\.bin"),
    ],
)
def test_files_that_are_no_models_are_called_what_they_are(teacher, content, message, tmp_path):
    (tmp_path / "m.bin").write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        teacher(teacher.Options(file=tmp_path / "m.bin")).build()
