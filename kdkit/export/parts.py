"""Small pieces of ONNX models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kdkit.contracts.vocabulary import Activation

_OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "sigmoid": ("Sigmoid", {}),
    "softmax": ("Softmax", {"axis": -1}),
    "identity": ("Identity", {}),
}


def activation_node(activation: Activation, logits: str, prediction: str) -> Any:
    """The node from logits to predictions."""
    from onnx import helper

    operator, attributes = _OPERATORS[activation]
    return helper.make_node(operator, [logits], [prediction], **attributes)


def copy_node(source: str, target: str) -> Any:
    """A node that gives a value another name."""
    from onnx import helper

    return helper.make_node("Identity", [source], [target])


def prefixed(model: Any, prefix: str) -> Any:
    """The graph of a model, with ``prefix`` before every name in it."""
    from onnx import compose

    return compose.add_prefix_graph(model.graph, prefix)


def value(template: Any, name: str, shape: Sequence[int | str]) -> Any:
    """An input or output of the type of ``template``; a name in place of an axis's length stands for any length."""
    from onnx import helper

    return helper.make_tensor_value_info(name, template.type.tensor_type.elem_type, list(shape))


def shape_of(template: Any) -> list[int | str]:
    """The lengths of an input's or output's axes, a name where any length does."""
    return [axis.dim_param or axis.dim_value for axis in template.type.tensor_type.shape.dim]


def label_axes(model: Any, axes: Mapping[int, str]) -> None:
    """Name the axes of any length: those of the first input as in ``axes``, and wherever their symbols stand again.

    Exporters make up symbols (s45), and formulas of them; a formula gets the name of its value and its axis.
    """
    graph = model.graph
    symbols = {shape_of(graph.input[0])[axis]: label for axis, label in axes.items()}
    for port in (*graph.input, *graph.output):
        for axis, length in enumerate(port.type.tensor_type.shape.dim):
            if length.dim_param:
                length.dim_param = symbols.get(length.dim_param, f"{port.name}_{axis}")
    del graph.value_info[:]


def make_model(name: str, nodes: Iterable[Any], inputs: Any, outputs: Any, weights: Any, like: Any) -> Any:
    """A model of these nodes, with the operator sets of the model ``like``, checked."""
    import onnx
    from onnx import helper

    graph = helper.make_graph(list(nodes), name, list(inputs), list(outputs), list(weights))
    opsets = list(like.opset_import)
    model = helper.make_model(graph, opset_imports=opsets, ir_version=like.ir_version, producer_name="kdkit")
    onnx.checker.check_model(model, full_check=True)
    return model
