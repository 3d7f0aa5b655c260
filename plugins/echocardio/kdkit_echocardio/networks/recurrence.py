"""The steps of a ConvLSTM layer in training, with their gradients written out.

Left to autograd, each step adds to the gradient of the recurrent weights by a convolution of its own, and the steps'
gates are copied into one tensor at the end. Here one convolution over all steps gives the gradient of the weights.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .derivatives import first_derivatives

_aten = torch.ops.aten


def run_steps(gates: Tensor, weight: Tensor, steps: int) -> Tensor:
    """The hidden states of all steps, (steps * batch, hidden, H, W), time-major; both states start at zero.

    ``gates``: the inputs' share of the gates before their activation, (steps * batch, 4 * hidden, H, W), in the order
    input, forget, output, candidate. ``weight``: (4 * hidden, hidden, 3, 3), of the hidden state's share. Gradients
    are those of the textbook's equations (Shi et al., arXiv:1506.04214, without peepholes); of these there are none:
    with ``create_graph=True`` RuntimeError is raised.
    """
    hidden: Tensor = _Steps.apply(gates, weight, steps)
    return hidden


class _Steps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, steps: int) -> Tensor:
        count, channels, layout = gates.shape[0] // steps, gates.shape[1] // 4, _layout_of(gates)
        weight = weight.contiguous(memory_format=layout)
        active = torch.empty_like(gates)
        memories, states = (torch.empty_like(gates[:, :channels], memory_format=layout) for _ in range(2))
        before: tuple[Tensor, Tensor] | None = None
        slices = [tensor.split(count) for tensor in (gates, active, memories, states)]
        for inputs, gate, memory, state in zip(*slices, strict=True):
            if before is None:
                gate.copy_(inputs)
            else:
                torch.add(inputs, F.conv2d(before[1], weight, padding=1), out=gate)
            doors, candidate = gate.split([3 * channels, channels], 1)
            enter, keep, leave = doors.sigmoid_().chunk(3, 1)
            torch.mul(enter, candidate.tanh_(), out=memory)
            if before is not None:
                memory.addcmul_(keep, before[0])
            torch.tanh(memory, out=state).mul_(leave)
            before = memory, state
        ctx.save_for_backward(active, memories, states, weight)
        ctx.count = count
        return states

    @staticmethod
    @first_derivatives
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        active, memories, states, weight = ctx.saved_tensors
        count = ctx.count
        of_gates = torch.empty_like(active)
        given, gate, memory, state, of_gate = (
            tensor.split(count) for tensor in (gradient, active, memories, states, of_gates)
        )
        of_state = of_memory = None  # what the step after it gives back
        for step in reversed(range(len(given))):
            of_state = given[step] if of_state is None else given[step] + of_state
            enter, keep, leave, candidate = gate[step].chunk(4, 1)
            of_enter, of_keep, of_leave, of_candidate = of_gate[step].chunk(4, 1)
            shown = memory[step].tanh()
            _aten.sigmoid_backward.grad_input(of_state * shown, leave, grad_input=of_leave)
            through = _aten.tanh_backward(of_state * leave, shown)
            of_memory = through if of_memory is None else through + of_memory
            _aten.sigmoid_backward.grad_input(of_memory * candidate, enter, grad_input=of_enter)
            _aten.tanh_backward.grad_input(of_memory * enter, candidate, grad_input=of_candidate)
            if step == 0:
                of_keep.zero_()  # there is nothing yet to be kept
                break
            _aten.sigmoid_backward.grad_input(of_memory * memory[step - 1], keep, grad_input=of_keep)
            of_memory = of_memory * keep
            of_state = _convolution_backward(of_gate[step], state[step - 1], weight, of_inputs=True)
        if len(given) == 1:  # the first step has no state before it that would be convolved
            return of_gates, torch.zeros_like(weight), None
        of_weight = _convolution_backward(of_gates[count:], states[:-count], weight, of_inputs=False)
        return of_gates, of_weight, None


def _convolution_backward(gradient: Tensor, inputs: Tensor, weight: Tensor, of_inputs: bool) -> Tensor:
    """The gradient of a 3x3 convolution's inputs, or else of its weight."""
    geometry = [1, 1], [1, 1], [1, 1], False, [0, 0], 1
    of_both = _aten.convolution_backward(gradient, inputs, weight, None, *geometry, [of_inputs, not of_inputs, False])
    return of_both[0 if of_inputs else 1]


def _layout_of(frames: Tensor) -> torch.memory_format:
    is_last = frames.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if is_last else torch.contiguous_format
