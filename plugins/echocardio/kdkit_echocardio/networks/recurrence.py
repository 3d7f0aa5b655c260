"""The steps of a ConvLSTM layer, in training with their gradients written out.

Left to autograd, each step adds to the gradient of the recurrent weights by a convolution of its own, and the steps'
gates are copied into one tensor at the end. Here one convolution over all steps gives the gradient of the weights.

Convolutions are done in the precision that their inputs have, all else in float32 at least: under autocast the
memory, to which every step adds, would lose what is small. All four gates take one pass, as
tanh x = 2 sigmoid 2x - 1, which a processor has sooner than a tanh of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .derivatives import first_derivatives

_aten = torch.ops.aten


def run_steps(gates: Tensor, weight: Tensor, steps: int) -> Tensor:
    """The hidden states of all steps, (steps * batch, hidden, H, W), time-major; both states start at zero.

    ``gates``: the inputs' share of the gates before their activation, (steps * batch, 4 * hidden, H, W), of any
    floating type, in the order input, forget, output, candidate. ``weight``: (4 * hidden, hidden, 3, 3), of the
    hidden state's share. The states are float32, or float64 where ``gates`` are. Gradients are those of the
    textbook's equations (Shi et al., arXiv:1506.04214, without peepholes); of these there are none: with
    ``create_graph=True`` RuntimeError is raised.
    """
    hidden: Tensor = _Steps.apply(gates, weight, steps)
    return hidden


def continue_steps(
    gates: Sequence[Tensor], weight: Tensor, before: tuple[Tensor, Tensor] | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """The hidden state and the memory after each step, each (batch, hidden, H, W), without gradients.

    ``gates``: of each step, as for :func:`run_steps`; they are overwritten. ``before``: the states that it goes on
    from; None: zeros.
    """
    weight, wide = weight.to(gates[0].dtype), _wide_type(gates[0])
    for inputs in gates:
        gate = inputs.to(wide) if before is None else _convolve(before[0], weight).to(wide).add_(inputs)
        memory, state = _empty_states(gate), _empty_states(gate)
        _open_gates(gate, None if before is None else before[1], memory, state)
        before = state, memory
        yield before


class _Steps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, steps: int) -> Tensor:
        count = gates.shape[0] // steps
        kernel = weight.to(gates.dtype)
        active = torch.empty_like(gates, dtype=_wide_type(gates))
        memories, states = _empty_states(active), _empty_states(active)
        before: tuple[Tensor, Tensor] | None = None
        slices = [tensor.split(count) for tensor in (gates, active, memories, states)]
        for inputs, gate, memory, state in zip(*slices, strict=True):
            if before is None:
                gate.copy_(inputs)
            else:
                torch.add(inputs, _convolve(before[0], kernel).to(gate.dtype), out=gate)
            _open_gates(gate, None if before is None else before[1], memory, state)
            before = state, memory
        ctx.save_for_backward(active, memories, states, kernel)
        ctx.count, ctx.weight_type = count, weight.dtype
        return states

    @staticmethod
    @first_derivatives
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        active, memories, states, kernel = ctx.saved_tensors
        states = states.to(kernel.dtype)
        of_gates = torch.empty_like(active, dtype=kernel.dtype)
        given, gate, memory, state, of_gate = (
            tensor.split(ctx.count) for tensor in (gradient, active, memories, states, of_gates)
        )
        of_state, of_memory = given[-1], None  # the latter is what the step after it gives back
        for step in reversed(range(len(given))):
            past = memory[step - 1] if step else None
            of_memory = _gradients_of_gates(of_state, of_memory, gate[step], past, memory[step], of_gate[step])
            if step:
                of_state = given[step - 1] + _of_convolution(of_gate[step], state[step - 1], kernel, of_inputs=True)
        if len(given) == 1:  # the first step has no state before it that would be convolved
            return of_gates, torch.zeros_like(kernel, dtype=ctx.weight_type), None
        of_weight = _of_convolution(of_gates[ctx.count :], states[: -ctx.count], kernel, of_inputs=False)
        return of_gates, of_weight.to(ctx.weight_type), None


def _open_gates(gate: Tensor, past: Tensor | None, memory: Tensor, state: Tensor) -> None:
    """Fill ``memory`` and ``state`` of a step, and activate its ``gate`` in place, the candidate as (tanh x + 1) / 2.

    ``past``: the memory before; None: zeros.
    """
    enter, keep, leave, candidate = gate.chunk(4, 1)
    candidate.mul_(2)
    gate.sigmoid_()
    torch.mul(enter, _signed(candidate), out=memory)
    if past is not None:
        memory.addcmul_(keep, past)
    torch.mul(leave, _tanh(memory), out=state)


def _gradients_of_gates(
    of_state: Tensor, of_memory: Tensor | None, gate: Tensor, past: Tensor | None, memory: Tensor, out: Tensor
) -> Tensor:
    """Fill ``out`` with the gradients of a step's gates before their activation; that of ``past``, the memory before.

    ``of_state``, ``of_memory``: the gradients of what the step gave; ``gate``: as :func:`_open_gates` left it.
    """
    result = out if out.dtype == gate.dtype else torch.empty_like(gate)
    enter, keep, leave, candidate = gate.chunk(4, 1)
    of_enter, of_keep, of_leave, of_candidate = result.chunk(4, 1)
    shown = _tanh(memory)
    torch.mul(of_state, shown, out=of_leave)
    through = _aten.tanh_backward(of_state * leave, shown)
    of_memory = through if of_memory is None else through.add_(of_memory)
    torch.mul(of_memory, _signed(candidate), out=of_enter)
    torch.mul(of_memory, enter, out=of_candidate).mul_(4)  # of 2 sigmoid 2x - 1
    if past is None:
        of_keep.zero_()  # there is nothing yet to be kept
    else:
        torch.mul(of_memory, past, out=of_keep)
    _aten.sigmoid_backward.grad_input(result, gate, grad_input=result)
    if result is not out:
        out.copy_(result)
    return of_memory.mul_(keep)


def _tanh(values: Tensor) -> Tensor:
    return (2 * values).sigmoid_().mul_(2).sub_(1)


def _signed(shares: Tensor) -> Tensor:
    """From 0..1 to -1..1."""
    return (2 * shares).sub_(1)


def _convolve(state: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(state.to(weight.dtype), weight, padding=1)


def _of_convolution(gradient: Tensor, inputs: Tensor, weight: Tensor, of_inputs: bool) -> Tensor:
    """The gradient of a 3x3 convolution's inputs, or else of its weight."""
    geometry = [1, 1], [1, 1], [1, 1], False, [0, 0], 1
    of_both = _aten.convolution_backward(gradient, inputs, weight, None, *geometry, [of_inputs, not of_inputs, False])
    return of_both[0 if of_inputs else 1]


def _wide_type(gates: Tensor) -> torch.dtype:
    return torch.promote_types(gates.dtype, torch.float32)


def _empty_states(gates: Tensor) -> Tensor:
    """Room for a state of each step that these are the gates of, laid out as they are."""
    is_last = gates.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if is_last else torch.contiguous_format
    return torch.empty_like(gates[:, : gates.shape[1] // 4], memory_format=layout)
