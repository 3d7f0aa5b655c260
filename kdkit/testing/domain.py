"""The promises of a domain."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from kdkit.contracts.alignment import AlignedAxis
from kdkit.contracts.domain import Domain
from kdkit.contracts.vocabulary import Activation, Case, Figure, Preview, dropped_kinds
from kdkit.errors import DataError, KdkitError, PluginError, did_you_mean
from kdkit.plugins.registry import Registry, discover
from kdkit.progress import Silence
from kdkit.recipe.experiment import Experiment
from kdkit.sample import Sample
from kdkit.store.targets import encode_prediction
from kdkit.testing.component import ComponentContract
from kdkit.testing.miniature import load_example, run_miniature
from kdkit.testing.promise import ContractAdvice, MissingExampleError, attempt, does_not_apply, one_line, require

MODELS = ("teacher", "student", "control")


class DomainContract(ComponentContract):
    """What a domain promises, tried with the samples and the teacher of its default recipe.

    ::

        class TestLeaves(DomainContract):
            component = Leaves

    ``registry``: where its components are found; the installed plugins unless it is given. ``file``: a small file
    that the domain reads; without it, what the domain's own ``example_file`` writes, if anything.
    """

    essential = ("test_activation_is_known",)
    registry: Registry | None = None
    file: Path | None = None

    @cached_property
    def plugins(self) -> Registry:
        """The components that recipes can name."""
        return self.registry or discover()

    @cached_property
    def name(self) -> str:
        """What the domain is called."""
        for name in self.plugins.names("domain"):
            try:
                if self.plugins.component("domain", name) is self.component:
                    return name
            except PluginError:
                continue
        raise MissingExampleError(
            f"no plugin offers {self.component.__name__} as a domain; install it with pip install -e ."
        )

    def check_examples(self) -> None:
        """As in the base, and the domain is registered."""
        super().check_examples()
        _ = self.name

    def test_activation_is_known(self) -> None:
        """The activation is one that kdkit knows."""
        activation = self.component.activation
        require(
            activation in get_args(Activation),
            f"activation is {activation!r}",
            "it decides how predictions are kept and what metrics and objectives receive",
            f"Set it to one of {', '.join(map(repr, get_args(Activation)))}.",
        )

    def test_default_recipe_resolves(self) -> None:
        """The default recipe, with the domain's example settings, is valid and names components that exist."""
        if self.component.activation not in get_args(Activation):
            does_not_apply("the activation is not known, which is a promise of its own")
        experiment = attempt(
            lambda: load_example(self.plugins, self.name, self.folder),
            "the default recipe does not resolve",
            f"kdkit run {self.name} begins with it",
            "Correct recipe.yaml beside the domain's module (kdkit config show prints every fault), or give "
            "example_settings() where it names files of the user's.",
        )
        known = {*experiment.metrics, *self.plugins.names("metric")}
        for attribute in ("margins", "data_metrics"):
            unknown = [name for name in getattr(self.component, attribute) if name not in known]
            require(
                not unknown,
                f"{attribute} names {', '.join(unknown)}, and no metric is called so",
                "what is said of a metric that is never measured has no effect",
                f"Name it as the recipe does; {did_you_mean(unknown[0], sorted(known))}" if unknown else "",
            )

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

    def test_suffixes_can_be_found(self) -> None:
        """Suffixes of input files begin with a dot, in lower case."""
        odd = [s for s in self.component.input_suffixes if not s.startswith(".") or s != s.lower()]
        require(
            not odd,
            f"input_suffixes holds {', '.join(map(repr, odd))}",
            "kdkit predict compares them with the lower-case suffix of each file, dot and all",
            'Write them like ".png"; upper-case file names are found too.',
        )

    def test_a_damaged_file_is_refused(self) -> None:
        """A file that cannot be read gives a DataError."""
        if self.component.read is Domain.read:
            does_not_apply("the domain reads no files")
        for suffix in self.component.input_suffixes:
            path = self.folder / f"damaged{suffix}"
            path.write_bytes(b"\x00not what it seems" * 8)
            outcome = "is read as if it were whole"
            try:
                self.component().read(path)
            except DataError:
                continue
            except Exception as error:
                outcome = f"raises {one_line(error)}"
            require(
                False,
                f"a damaged {suffix} file {outcome}",
                "kdkit predict skips a file with its reason when it gets a DataError; anything else ends it",
                "Catch what the reading library raises and raise kdkit.DataError from it.",
            )

    def test_a_file_is_read_and_its_prediction_written(self) -> None:
        """A file is read, and what is predicted for it is written beside its stem."""
        path = self.file or self.component().example_file(self.folder)
        if path is None:
            does_not_apply("there is no example file")
        why = "kdkit predict does this with every file of a user's"
        remedy = "Try kdkit predict with this file; see the docstrings of Domain.read and Domain.write."
        sample = attempt(lambda: self.component().read(path), f"{path.name} is not read", why, remedy)
        require(isinstance(sample, Sample), f"read() gives {type(sample).__name__}, not a Sample", why, remedy)
        (prediction,) = self._predictions([sample])
        out = self.folder / "out"
        out.mkdir()
        row = attempt(
            lambda: self.component().write(path, sample, prediction, out / "one"), "write() fails", why, remedy
        )
        strangers = [file.name for file in out.iterdir() if not file.name.startswith("one.")]
        require(
            not strangers,
            f"write() makes {', '.join(strangers)}",
            "results of different files would overwrite each other",
            "Name every file after the stem that is given: stem.with_name(stem.name + '.png').",
        )
        attempt(
            lambda: json.dumps(dict(row), allow_nan=False),
            f"the row {row!r} is not plain",
            "it becomes a line of summary.csv",
            "Return text and Python numbers, None for what is unknown.",
        )
        shown = attempt(
            lambda: self.component().preview(sample, prediction, row), "preview() fails", "the page shows it", remedy
        )
        require(
            shown is None or isinstance(shown, Preview),
            f"preview() gives {type(shown).__name__}",
            "the page of kdkit predict shows it",
            "Return a kdkit.Preview, or None.",
        )

    def test_samples_are_shown(self) -> None:
        """The contact sheet is an RGB picture."""
        if self.component.sheet is Domain.sheet:
            does_not_apply("the domain draws no contact sheets")
        why, remedy = (
            "kdkit generate --sheet saves it as PNG",
            "Return a uint8 array (H, W, 3) for one sample or more.",
        )
        for samples in (self._samples, self._samples[:1]):
            sheet = attempt(partial(self.component().sheet, samples), "sheet() fails", why, remedy)
            shape: tuple[int, ...] = getattr(sheet, "shape", ())
            kind = getattr(sheet, "dtype", None)
            require(
                kind == np.uint8 and len(shape) == 3 and shape[2] == 3,
                f"sheet() gives {type(sheet).__name__} {kind} {shape}",
                why,
                remedy,
            )

    def test_cases_are_shown(self) -> None:
        """The figures of a case are pictures, with and without a control."""
        if self.component.figures is Domain.figures:
            does_not_apply("the domain draws no figures")
        sample = self._samples[0]
        (prediction,) = self._predictions([sample])
        why = "the report shows the best, the median and the worst case"
        remedy = "Yield kdkit.Figure with an image's media type and its bytes for whatever models a case holds."
        for models in (MODELS, MODELS[:2]):
            case = Case("median", 0.5, sample, dict.fromkeys(models, prediction))
            figures = attempt(lambda: list(self.component().figures([case])), "figures() fails", why, remedy)  # noqa: B023
            for figure in figures:
                require(_is_picture(figure), f"figures() yields {figure!r:.120}", why, remedy)
        every = [Case(rank, 0.5, sample, dict.fromkeys(MODELS, prediction)) for rank in ("best", "worst")]
        _advise_on_titles(list(self.component().figures(every)))

    def test_all_cases_are_shown_together(self) -> None:
        """The figures of all samples are pictures, however few samples there are."""
        if self.component.overview is Domain.overview:
            does_not_apply("the domain draws no figures of all samples together")
        every = self._predictions(self._samples)
        cases = [
            Case("", 0.5, sample, dict.fromkeys(MODELS, prediction))
            for sample, prediction in zip(self._samples, every, strict=True)
        ]
        why = "the report shows all evaluation samples together"
        remedy = "Yield kdkit.Figure with an image's media type and its bytes, or nothing where too little is known."
        for subset in (cases, cases[:1], []):
            figures = attempt(lambda: list(self.component().overview(iter(subset))), "overview() fails", why, remedy)  # noqa: B023
            for figure in figures:
                require(_is_picture(figure), f"overview() yields {figure!r:.120}", why, remedy)

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

    def test_data_is_examined_and_left_alone(self) -> None:
        """A folder of data is examined and read; what is left out is the same for both, and nothing changes there."""
        domain = self.component()
        path = domain.example_data(self.folder / "data")
        if path is None:
            does_not_apply("there is no example data")
        before = _listing(path)
        why, remedy = "kdkit check and kdkit evaluate --data do this", "See Domain.check_data and Domain.source."
        inspection = attempt(lambda: domain.check_data(path, "auto", Silence()), "check_data() fails", why, remedy)
        source = attempt(lambda: domain.source(path, "auto", None), "source() fails", why, remedy)
        dropped_count = len(dropped_kinds(source.exclusions()))
        require(
            (inspection.used, inspection.dropped) == (source.count(), dropped_count),
            f"check_data() finds {inspection.used} usable and {inspection.dropped} left out, source() "
            f"{source.count()} and "
            f"{dropped_count}",
            "a user checks data to know what a run makes of it",
            "Count the same items in both; Inspection.dropped counts the items with a Defect that is dropped.",
        )
        samples = attempt(
            lambda: list(source.generate(range(inspection.used))), "source() gives no samples", why, remedy
        )
        require(
            any(sample.truth for sample in samples),
            "no sample of the example data has a truth",
            "there would be nothing to measure against",
            "Put the labels of the data into Sample.truth.",
        )
        ragged = [
            table.title for table in inspection.tables if {len(row) for row in table.rows} - {len(table.columns)}
        ]
        require(
            not ragged and all(map(_is_picture, inspection.pictures)),
            f"tables {ragged} or pictures cannot be shown" if ragged else "a picture cannot be shown",
            "kdkit check prints them",
            "Give every row as many cells as there are columns, and pictures as kdkit.Figure.",
        )
        attempt(
            lambda: json.dumps(
                [dict(inspection.facts), [list(map(list, table.rows)) for table in inspection.tables]]
            ),
            "facts and tables are not plain",
            "kdkit check prints them as JSON",
            "Return text and Python numbers, None for what is unknown.",
        )
        require(
            _listing(path) == before,
            "the folder of the data has changed",
            "it is the user's",
            "Write nothing there; temporary files belong into tempfile's folder.",
        )

    def test_a_folder_without_data_is_refused(self) -> None:
        """A folder that holds nothing of the kind gives a DataError."""
        if self.component.source is Domain.source and self.component.read is Domain.read:
            does_not_apply("the domain reads no folders of data")
        for name, exists in (("empty", True), ("missing", False)):
            path = self.folder / name
            if exists:
                path.mkdir()
            outcome = "is taken for data"
            try:
                self.component().source(path, "auto", None)
            except DataError:
                continue
            except Exception as error:
                outcome = f"raises {one_line(error)}"
            require(
                False,
                f"a folder that is {name} {outcome}",
                "the command line prints a DataError as one clear message; anything else ends in a traceback",
                "Raise kdkit.DataError that names the folder and what was looked for.",
            )

    def test_a_miniature_run_ends_well(self) -> None:
        """The default recipe runs from nothing to a report, in miniature."""
        _ = self._experiment
        attempt(
            lambda: run_miniature(self.plugins, self.name, self.folder),
            "a miniature run fails",
            f"kdkit run {self.name} would fail in the same place",
            "Run it with few samples (--set samples.train=2 --set training.epochs=1) and read the error.",
        )

    @cached_property
    def _experiment(self) -> Experiment:
        try:
            return load_example(self.plugins, self.name, self.folder)
        except KdkitError:
            does_not_apply("the default recipe does not resolve, which is a promise of its own")

    @cached_property
    def _samples(self) -> list[Sample]:
        return list(self._experiment.training_source.generate([0, 1]))

    def _predictions(self, samples: Sequence[Sample]) -> list[np.ndarray]:
        return predictions(self._experiment, samples)


def _listing(folder: Path) -> list[tuple[str, int, int]]:
    """Every file with its size and the time of its last change."""
    paths = sorted(folder.rglob("*"))
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]


def predictions(experiment: Experiment, samples: Sequence[Sample]) -> list[np.ndarray]:
    """The teacher's predictions for samples, as metrics and figures receive them."""
    import torch

    from kdkit.engine.inference import freeze, infer_logits
    from kdkit.store.targets import activate

    activation = experiment.domain.activation
    logits = infer_logits(freeze(experiment.teacher.build()), [s.inputs for s in samples], torch.device("cpu"))
    return [activate(one, activation) for one in logits]


def _advise_on_titles(figures: Sequence[Figure]) -> None:
    """An advice where figures of one page have the same title, or one whose caption says it once more."""
    titles = [figure.title for figure in figures]
    twice = sorted({title for title in titles if titles.count(title) > 1})
    repeated = [figure.title for figure in figures if figure.caption.startswith(figure.title)]
    if twice:
        text = f"figures() gives the title {twice[0]!r} to several figures of a page; Case.rank tells them apart"
        warnings.warn(text, ContractAdvice, stacklevel=1)
    if repeated:
        text = f"the caption of {repeated[0]!r} repeats its title, which stands above it"
        warnings.warn(text, ContractAdvice, stacklevel=1)


def _is_picture(figure: Any) -> bool:
    return (
        isinstance(figure, Figure)
        and bool(figure.title.strip())
        and figure.media_type.startswith("image/")
        and isinstance(figure.data, bytes)
        and len(figure.data) > 0
    )
