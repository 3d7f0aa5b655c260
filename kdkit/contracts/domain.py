"""The contract of a domain."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from kdkit.atomic import write_bytes
from kdkit.contracts.alignment import AlignedAxis
from kdkit.contracts.component import Component
from kdkit.contracts.files import Files
from kdkit.contracts.generator import Generator
from kdkit.contracts.vocabulary import Activation, Case, Figure, Infer, Inspection, Preview, Published
from kdkit.errors import DataError, KdkitError, UsageError
from kdkit.progress import Progress
from kdkit.sample import Sample


class Domain(Component):
    """A field of application.

    ``activation``: how logits become predictions. "sigmoid": each value is a probability of its own (masks); targets
    are kept as 8-bit probabilities. "softmax": the last axis holds classes; targets are kept as logits in half
    precision. "identity": values are predictions as they are, kept in single precision.
    ``aligned_axes``: which axes of a sample's inputs run alongside which of its targets, and in what ratio. Along
    them ``training.window`` cuts, in this order; without any, a sample is trained on as a whole.
    ``item``: what :meth:`items` counts ("frame", "image", ...); speeds are given in items per second.
    ``input_suffixes``: the file names (".avi", ...) that ``kdkit predict`` picks from a folder.
    ``flags``: the words in the column ``flags`` of :meth:`write`'s rows, each with a sentence for people.
    ``columns``: the columns of those rows that the page of ``kdkit predict`` shows, each with its heading; all of
    them by default. The interval of a column NAME stands in NAME_low and NAME_high; one whose name ends in "_note"
    says why others are empty, and is shown below the file's name. The page begins with the files of the largest
    ``doubt``, a column of numbers; without it, with those of most flags.
    ``data_metrics``: what ``kdkit evaluate --data`` measures by default, the first one ranking the
    cases; without any, the metrics of the default recipe.
    ``margins``: by metric, the loss from which on a student counts as worse than its teacher, in the metric's unit;
    a recipe may say otherwise (``evaluation.margin``). Without one, any certain loss counts.
    ``sweep``: the grid of ``kdkit sweep`` by default: paths of the recipe, each with its values.
    ``published``: results to be shown beside those of a sweep.
    ``reproduces``: what the default recipe repeats ("EchoDFKD (Petit et al., WACV 2025)"): a run's report then shows
    the published results beside its own, what its recipe changed, and these ``deviations``, a sentence each.
    ``intended_use``, ``failure_modes``, ``untested``: for the page that goes along with a student: what students of
    this field are for, a sentence on each way in which they are known to fail, and what none was ever tested on.

    ``recipe``: the default recipe as YAML text; without it, the file ``recipe.yaml`` beside the module that defines
    the class.

    Example::

        class Leaves(Domain):
            '''Leaf outlines without a photograph.'''

            activation = "sigmoid"
    """

    kind: ClassVar[str] = "domain"
    activation: ClassVar[Activation] = "sigmoid"
    aligned_axes: ClassVar[Sequence[AlignedAxis]] = ()
    item: ClassVar[str] = "sample"
    input_suffixes: ClassVar[tuple[str, ...]] = ()
    flags: ClassVar[Mapping[str, str]] = MappingProxyType({})
    columns: ClassVar[Mapping[str, str]] = MappingProxyType({})
    data_metrics: ClassVar[tuple[str, ...]] = ()
    margins: ClassVar[Mapping[str, float]] = MappingProxyType({})
    sweep: ClassVar[Mapping[str, Sequence[Any]]] = MappingProxyType({})
    published: ClassVar[Sequence[Published]] = ()
    reproduces: ClassVar[str] = ""
    deviations: ClassVar[Sequence[str]] = ()
    intended_use: ClassVar[str] = ""
    failure_modes: ClassVar[Sequence[str]] = ()
    untested: ClassVar[Sequence[str]] = ()
    recipe: ClassVar[str] = ""

    @classmethod
    def recipe_file(cls) -> Path:
        """The YAML file of the default recipe, for a domain that does not carry it as text."""
        return Path(sys.modules[cls.__module__].__file__ or "").with_name("recipe.yaml")

    @classmethod
    def example_settings(cls, folder: Path) -> Sequence[str]:
        """Settings (``path.to.key=value``) that make the default recipe run, to try the domain out with.

        For a recipe that names files of the user's: small ones are written into ``folder``, an empty one. The default
        gives none, which is enough for a recipe that runs as it is.
        """
        return []

    def items(self, sample: Sample) -> int:
        """How many items a sample holds: the frames of a clip, say."""
        return 1

    def recognises(self, path: Path) -> bool:
        """Whether ``kdkit predict`` picks this file from a folder: by ``input_suffixes``, unless overridden.

        Of a file in a zip archive only the first 64 KiB lie at ``path``.
        """
        return path.name.lower().endswith(self.input_suffixes)

    def read(self, path: Path) -> Sample:
        """The sample in a file of a user's, ready for a student. Raises :class:`kdkit.DataError` if unreadable."""
        raise KdkitError(f"the domain {type(self).__name__} cannot read files, so it cannot predict on {path}")

    def example_file(self, folder: Path) -> Path | None:
        """A small file of the kind that :meth:`read` takes, written into ``folder`` to try the domain out with."""
        return None

    def write(self, path: Path, sample: Sample, prediction: np.ndarray, stem: Path) -> Mapping[str, Any]:
        """Write what belongs to one predicted file (``stem`` + suffix) and return its row of ``summary.csv``.

        ``path`` and ``sample`` are those of :meth:`read`; ``prediction`` is float32, activated. Raises
        :class:`kdkit.DataError` where there can be no results of this file: it is skipped, and the others go on.
        """
        archive = io.BytesIO()
        np.savez_compressed(archive, prediction=prediction)
        write_bytes(stem.with_name(f"{stem.name}.npz"), archive.getvalue())
        return {}

    def preview(self, sample: Sample, prediction: np.ndarray, row: Mapping[str, Any]) -> Preview | None:
        """What the page of results shows of a predicted file beside its row, which :meth:`write` returned."""
        return None

    def check_teacher(self, samples: Sequence[Sample], predictions: Sequence[np.ndarray]) -> str:
        """One line on whether these predictions are plausible; raises :class:`kdkit.KdkitError` if they are not.

        The core has already checked that they are finite and not constant.
        """
        return ""

    def check_data(self, path: Path, layout: str, progress: Progress) -> Inspection:
        """What is found in a folder of a user's data, everything in it read once; nothing is written there.

        ``layout``: one that the domain knows, or "auto". Raises :class:`kdkit.DataError` when it is no folder that
        the domain can read.
        """
        raise KdkitError(f"the domain {type(self).__name__} cannot examine data, so there is nothing to check")

    def example_data(self, folder: Path) -> Path | None:
        """A small folder of labelled data of the kind that :meth:`source` takes, written into ``folder``."""
        return None

    def source(self, path: Path, layout: str, split: str | None) -> Generator:
        """The generator of the samples in a folder of a user's data, labels as their truth.

        ``layout``: one that the domain knows, or "auto"; ``split``: only the samples of this part of the data.
        Raises :class:`kdkit.DataError` when it is no folder that the domain can read. The default gives what
        :meth:`read` makes of every file below the folder, or of the one file, that :meth:`recognises` picks; without
        labels of its own, such data are measured beside the teacher.
        """
        name = type(self).__name__
        if type(self).read is Domain.read:
            raise KdkitError(f"the domain {name} cannot read folders of data")
        if layout != "auto" or split is not None:
            asked = f"layout {layout!r}" if layout != "auto" else f"split {split!r}"
            raise UsageError(f"the domain {name} reads single files and knows no {asked}")
        if not path.exists():
            raise DataError(f"{path} does not exist")
        every = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        paths = [one for one in every if self.recognises(one)]
        if not paths:
            kinds = " or ".join(self.input_suffixes) or "the domain's kind"
            raise DataError(f"{path} holds no file of {kinds}", f"Found there: {len(every)} others." if every else "")
        return Files(paths, self.read)

    def predict(self, sample: Sample, infer: Infer) -> np.ndarray:
        """A network's prediction for a sample of :meth:`source`, activated: how such a sample is put to a network.

        ``infer`` takes raw inputs and gives the activated predictions, in their order.
        """
        return infer([sample.inputs])[0]

    def target_from_truth(self, sample: Sample) -> np.ndarray | None:
        """What a perfect teacher would answer, by the sample's truth: float32, activated, (output shape).

        For a control whose ``targets`` are "truth". None where the truth of this sample does not hold it.
        """
        return None

    def strata(self, sample: Sample) -> Mapping[str, Sample]:
        """The groups that scores on a user's data are also given for, each with the sample as it counts in the group.

        That is the sample itself, or the sample with only that part of its truth that belongs to the group.
        """
        return {}

    def sheet(self, samples: Sequence[Sample]) -> np.ndarray:
        """A contact sheet of samples: uint8 RGB (H, W, 3)."""
        raise KdkitError(f"the domain {type(self).__name__} draws no contact sheets")

    def figures(self, cases: Sequence[Case]) -> Iterator[Figure]:
        """Pictures of chosen cases for the report."""
        yield from ()

    def overview(self, cases: Iterable[Case]) -> Iterator[Figure]:
        """Pictures of all evaluation samples together: predicted beside true values, say.

        For the report, and for the page of ``kdkit evaluate --data``, whose models may lack a teacher. ``cases`` can
        be gone through once; each is read when its turn comes, so keep of it what is drawn, no more.
        """
        yield from ()
