"""The promises of a domain."""

from __future__ import annotations

import warnings

import numpy as np

from kdkit.contracts.alignment import AlignedAxis
from kdkit.contracts.domain import Domain
from kdkit.sample import Sample
from kdkit.store.targets import encode_prediction
from kdkit.testing.domain_files import DomainFiles
from kdkit.testing.domain_pictures import DomainPictures
from kdkit.testing.miniature import run_miniature
from kdkit.testing.promise import ContractAdvice, attempt, does_not_apply, require


class DomainContract(DomainFiles, DomainPictures):
    """What a domain promises, tried with the samples and the teacher of its default recipe.

    ::

        class TestLeaves(DomainContract):
            component = Leaves

    ``registry``: where its components are found; the installed plugins unless it is given. ``file``: a small file
    that the domain reads; without it, what the domain's own ``example_file`` writes, if anything.
    """

    def test_items_are_counted(self) -> None:
        """A sample holds a whole number of items."""
        for sample in self._samples:
            items = self.component().items(sample)
            require(
                isinstance(items, int) and items >= 1,
                f"items() gives {items!r}",
                "speeds are given in items per second",
                "Return how many frames, images, ... a sample holds: an int, 1 or more.",
            )
        self._advise_on_items(self._samples[0])

    def _advise_on_items(self, sample: Sample) -> None:
        """An advice where a sample counts as one item and its targets run along an axis of the inputs."""
        axes = self.component.aligned_axes
        (prediction,) = self._predictions([sample])
        is_sequence = sample.inputs.ndim == 1 and prediction.ndim == 1 + (self.component.activation == "softmax")
        axis = axes[0].target_axis if axes else 0
        if not (axes or is_sequence) or not AlignedAxis.has_axis(prediction.shape, axis):
            return
        length = prediction.shape[axis]
        if self.component().items(sample) == 1 and length > 1:
            warnings.warn(
                f"items() counts a sample as 1 {self.component.item}, and it has {length} predictions along axis "
                f"{axis}: speeds are given in {self.component.item}s per second. Return {length} for it, or name the "
                "whole of it in item.",
                ContractAdvice,
                stacklevel=1,
            )

    def test_aligned_axes_go_with_the_shapes(self) -> None:
        """Inputs and predictions have the axes that are said to be aligned, in the ratio that is said."""
        if not self.component.aligned_axes:
            does_not_apply("no axes are aligned")
        sample = self._samples[0]
        (prediction,) = self._predictions([sample])
        for axis in self.component.aligned_axes:
            require(
                axis.fits(sample.inputs.shape, prediction.shape),
                f"aligned_axes says {axis}, and a sample of {sample.inputs.shape} has the prediction "
                f"{prediction.shape}",
                "training.window cuts both along these axes",
                "Give the ratio and the axes as they are, or leave aligned_axes empty where no window can be cut.",
            )

    def test_truth_becomes_a_target(self) -> None:
        """What is made of a sample's truth could be the teacher's prediction: of its shape and in its range."""
        if self.component.target_from_truth is Domain.target_from_truth:
            does_not_apply("the domain makes no targets of truth")
        domain = self.component()
        why = "a control whose targets are truth is trained on it, as the student is on the teacher's predictions"
        remedy = (
            "Return float32 values as Domain.activation makes them of logits, or None; see Domain.target_from_truth."
        )
        for sample, prediction in zip(self._samples, self._predictions(self._samples), strict=True):
            target = attempt(lambda: domain.target_from_truth(sample), "target_from_truth() fails", why, remedy)  # noqa: B023
            if target is None:
                continue
            shape = np.shape(target)
            require(shape == prediction.shape, f"a target has the shape {shape}, not {prediction.shape}", why, remedy)
            attempt(lambda: encode_prediction(target, domain.activation), "a target cannot be kept", why, remedy)  # noqa: B023

    def test_a_miniature_run_ends_well(self) -> None:
        """The default recipe runs from nothing to a report, in miniature."""
        _ = self._experiment
        attempt(
            lambda: run_miniature(self.plugins, self.name, self.folder),
            "a miniature run fails",
            f"kdkit run {self.name} would fail in the same place",
            "Run it with few samples (--set samples.train=2 --set training.epochs=1) and read the error.",
        )
