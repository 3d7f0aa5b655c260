"""Which axes of inputs and targets run alongside each other, and how windows are cut along them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kdkit.errors import DataError

Shape = tuple[int, ...]
Slices = tuple[slice, ...]


@dataclass(frozen=True)
class AlignedAxis:
    """An axis of a sample's inputs that runs alongside an axis of its targets.

    ``inputs`` entries along ``input_axis`` belong to ``targets`` entries along ``target_axis``, from the first ones
    on: ``AlignedAxis()`` for the frames of a clip and of its masks, ``AlignedAxis(inputs=512)`` for sound with one
    target for every 512 values, ``AlignedAxis(input_axis=1)`` for volumes (channel, depth, height, width) with masks
    (depth, height, width). Axes are counted without the batch. Inputs may end in a rest shorter than ``inputs``; no
    window reaches into it.
    """

    inputs: int = 1
    targets: int = 1
    input_axis: int = 0
    target_axis: int = 0

    def fits(self, inputs: Shape, targets: Shape) -> bool:
        """Whether the targets of a sample are as long as its inputs call for, give or take those of a last block."""
        if not self.has_axis(inputs, self.input_axis) or not self.has_axis(targets, self.target_axis):
            return False
        blocks = inputs[self.input_axis] // self.inputs
        return 0 <= targets[self.target_axis] - blocks * self.targets <= self.targets

    @staticmethod
    def has_axis(shape: Shape, axis: int) -> bool:
        """Whether an array of this shape has the axis."""
        return -len(shape) <= axis < len(shape)

    def __str__(self) -> str:
        return (
            f"{self.inputs} along axis {self.input_axis} of the inputs for {self.targets} along axis "
            f"{self.target_axis} of the targets"
        )


@dataclass(frozen=True)
class WindowCut:
    """Windows of these ``lengths`` along the inputs' side of the first ``axes``; nothing else is cut."""

    axes: tuple[AlignedAxis, ...]
    lengths: tuple[int, ...]

    @staticmethod
    def of(axes: Sequence[AlignedAxis], window: int | Sequence[int]) -> WindowCut:
        """The cut that a recipe's ``training.window`` asks for. Raises :class:`DataError` when ``axes`` forbid it."""
        lengths = (window,) if isinstance(window, int) else tuple(window)
        if len(lengths) > len(axes):
            raise DataError(f"it cuts {len(lengths)} axes, and the domain aligns {len(axes) or 'none'}")
        for length, axis in zip(lengths, axes, strict=False):
            if length % axis.inputs:
                near = max(1, round(length / axis.inputs)) * axis.inputs
                raise DataError(f"{length} is no multiple of {axis.inputs} ({axis}); the nearest is {near}")
        return WindowCut(tuple(axes[: len(lengths)]), lengths)

    def cut(self, inputs: Shape, targets: Shape, draw: Callable[[int], int]) -> tuple[Slices, Slices]:
        """The slices of one window in a sample's inputs and targets of these shapes.

        ``draw``: gives a place from 0 to the number that it is given, for each axis in turn. A sample that is shorter
        than the window gives all its whole blocks. Raises :class:`DataError` when the shapes do not go together.
        """
        cuts = [[slice(None)] * len(inputs), [slice(None)] * len(targets)]
        for length, axis in zip(self.lengths, self.axes, strict=True):
            if not axis.fits(inputs, targets):
                raise DataError(
                    f"inputs {inputs} and targets {targets} do not go together as the domain says: {axis}",
                    "Correct the domain's aligned_axes, or set training.window=null to train on whole samples.",
                )
            blocks = inputs[axis.input_axis] // axis.inputs
            count = min(length // axis.inputs, blocks)
            first = draw(blocks - count)
            cuts[0][axis.input_axis] = slice(first * axis.inputs, (first + count) * axis.inputs)
            cuts[1][axis.target_axis] = slice(first * axis.targets, (first + count) * axis.targets)
        return tuple(cuts[0]), tuple(cuts[1])
