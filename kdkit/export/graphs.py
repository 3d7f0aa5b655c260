"""ONNX graphs of a network: the whole input at once, and one step of a stream with its state.

The whole clip is an ONNX Scan over the very graph of the step, so both forms compute the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kdkit.contracts.vocabulary import Activation
from kdkit.errors import KdkitError
from kdkit.export.job import quiet, reason
from kdkit.export.parts import activation_node, copy_node, label_axes, make_model, prefixed, shape_of, value
from kdkit.export.torch_export import dynamic_shapes

if TYPE_CHECKING:
    import torch

OPSET = 18
INPUT, FRAME, LOGITS, PREDICTION = "inputs", "frame", "logits", "prediction"
Names = Sequence[str]
Axes = Mapping[int, str]


def trace_network(network: torch.nn.Module, inputs: torch.Tensor, axes: Axes) -> Any:
    """The model from ``inputs`` to ``logits``, with these axes of the input of any length."""
    return _trace(network, [inputs], [INPUT], [LOGITS], [axes])


def trace_step(network: torch.nn.Module, frames: torch.Tensor, axes: Axes) -> tuple[Any, Any]:
    """Two models: one step from ``frame`` and ``state_0`` ... to ``logits`` and ``next_state_0`` ..., and the states'
    zeros from ``frame`` to ``state_0`` ...; ``axes``: those of the frame of any length."""
    from kdkit.export.modules import InitialState, Step

    states = network.initial_state(frames)  # type: ignore[operator]
    names = [f"state_{number}" for number in range(len(states))]
    dynamic = [axes, *(dict.fromkeys(range(state.dim()), "") for state in states)]
    outputs = [LOGITS, *(f"next_{name}" for name in names)]
    step = _trace(Step(network), [frames, *states], [FRAME, *names], outputs, dynamic)
    return step, _trace(InitialState(network), [frames], [FRAME], names, [axes])


def join_step(step: Any, zeros: Any, activation: Activation) -> Any:
    """The step as a model of its own, with ``prediction`` beside the logits.

    A state may have length 1 along every axis of any length, and is then repeated: so whoever starts a stream with
    zeros need not know how the states' sizes follow from the frame's.
    """
    from onnx import helper

    start, body = prefixed(zeros, "zeros_"), prefixed(step, "step_")
    frame, *states = step.graph.input
    logits, *after = step.graph.output
    nodes = [
        *(copy_node(FRAME, f"{prefix}{FRAME}") for prefix in ("zeros_", "step_")),
        *start.node,
        *(helper.make_node("Add", [s.name, f"zeros_{s.name}"], [f"step_{s.name}"]) for s in states),
        *body.node,
        *(copy_node(f"step_{output.name}", output.name) for output in (logits, *after)),
        activation_node(activation, LOGITS, PREDICTION),
    ]
    free = [value(zero, zero.name, shape_of(zero)) for zero in zeros.graph.output]
    outputs = [logits, value(logits, PREDICTION, shape_of(logits)), *after]
    return make_model("step", nodes, [frame, *free], outputs, [*start.initializer, *body.initializer], step)


def scan_step(step: Any, zeros: Any, activation: Activation) -> Any:
    """The whole clip, (batch, time, ...): a Scan of the step over axis 1, from the states' zeros."""
    import numpy as np
    from onnx import helper, numpy_helper

    start, body = prefixed(zeros, "zeros_"), prefixed(step, "step_")
    frame, *states = body.input
    logits, *after = body.output
    scanned = helper.make_graph(body.node, "step", [*states, frame], [*after, logits], body.initializer)
    scan = helper.make_node(
        "Scan",
        [*(output.name for output in start.output), INPUT],
        [*(f"last_{state.name}" for state in states), LOGITS],
        body=scanned,
        num_scan_inputs=1,
        scan_input_axes=[1],
        scan_output_axes=[1],
    )
    first = helper.make_node("Gather", [INPUT, "first"], [f"zeros_{FRAME}"], axis=1)
    nodes = [first, *start.node, scan, activation_node(activation, LOGITS, PREDICTION)]
    inputs = value(step.graph.input[0], INPUT, _with_time(step.graph.input[0]))
    outputs = [value(step.graph.output[0], name, _with_time(step.graph.output[0])) for name in (LOGITS, PREDICTION)]
    weights = [numpy_helper.from_array(np.asarray(0, np.int64), "first"), *start.initializer]
    return make_model("clip", nodes, [inputs], outputs, weights, step)


def add_prediction(model: Any, activation: Activation) -> Any:
    """A model from ``inputs`` to ``logits``, with ``prediction`` beside them."""
    graph = model.graph
    nodes = [*graph.node, activation_node(activation, LOGITS, PREDICTION)]
    outputs = [graph.output[0], value(graph.output[0], PREDICTION, shape_of(graph.output[0]))]
    return make_model("network", nodes, graph.input, outputs, graph.initializer, model)


def _with_time(template: Any) -> list[int | str]:
    batch, *others = shape_of(template)
    return [batch, "time", *others]


def _trace(module: Any, inputs: Sequence[Any], names: Names, outputs: Names, axes: Sequence[Axes]) -> Any:
    import torch

    try:
        with quiet():
            program = torch.onnx.export(
                module.eval(),
                tuple(inputs),
                dynamo=True,
                dynamic_shapes=dynamic_shapes(list(axes)),
                input_names=list(names),
                output_names=list(outputs),
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as error:  # a network fails in many ways to be a graph
        raise KdkitError(f"the network cannot be written as an ONNX graph: {reason(error)}") from error
    assert program is not None
    model = program.model_proto
    label_axes(model, axes[0])
    return model
