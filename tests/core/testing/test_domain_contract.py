"""The promises of a domain, each against one that breaks it."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from breaking import check_each_has_a_breaker, check_only, verdict_on

from kdkit import (
    AlignedAxis,
    ComponentOptions,
    DataError,
    Defect,
    Domain,
    Entry,
    Field,
    Figure,
    Generator,
    Inspection,
    KdkitError,
    Metric,
    Sample,
    Student,
    Table,
    Teacher,
    hookimpl,
)
from kdkit.plugins.registry import Plugin, Registry
from kdkit.testing import DomainContract


class Ramps(Generator):
    """Rising lines, uint8 (8,)."""

    def generate(self, indices):
        for index in indices:
            rise = int(self.rng(index).integers(1, 30))
            yield Sample(np.arange(8, dtype=np.uint8) * rise, {"rise": np.array(rise)})


class Scaler(Teacher):
    """Says how bright each value is."""

    class Options(ComponentOptions):
        gain: float = Field(4.0, description="Logit of full brightness.")

    def build(self):
        import torch

        gain = self.options.gain

        class Network(torch.nn.Module):
            def forward(self, inputs):
                return gain * (inputs.float() / 255 - 0.5)

        return Network()


class Layer(Student):
    """One layer."""

    inputs = "(batch, 8) uint8, 0..255"

    def build(self):
        import torch

        class Network(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(8, 8)

            def forward(self, inputs):
                return self.layer(inputs.float() / 255)

        return Network()


class Mean(Metric):
    """Mean answer."""

    unit = ""
    higher_is_better = None

    def measure(self, prediction, sample):
        return [(float(prediction.mean()),)]


class Saved(Ramps):
    """Rising lines from a folder, each named after its rise; empty files are left out."""

    class Options(ComponentOptions):
        path: str = Field(description="Folder.")

    def files_in(self, whole):
        return [p for p in sorted(Path(self.options.path).glob("*.npy")) if bool(p.stat().st_size) is whole]

    def count(self):
        return len(self.files_in(True))

    def exclusions(self):
        return [Defect("empty-file", path.name, "0 bytes", dropped=True) for path in self.files_in(False)]

    def generate(self, indices):
        for index in indices:
            path = self.files_in(True)[index]
            yield Sample(np.load(path), {"rise": np.array(int(path.stem))})


class Lines(Domain):
    """Lines."""

    activation = "sigmoid"
    input_suffixes = (".npy",)
    recipe = """
generator: {name: ramps}
teacher: {name: scaler}
student: {name: layer}
objective: {name: soft-bce}
samples: {train: 8, validation: 2, evaluation: 2}
training: {epochs: 3, batch_size: 4}
evaluation: {metrics: [mean]}
"""

    def read(self, path):
        try:
            return Sample(np.load(path))
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read") from error

    def example_file(self, folder):
        np.save(folder / "line.npy", np.arange(8, dtype=np.uint8))
        return folder / "line.npy"

    def example_data(self, folder):
        folder.mkdir()
        for rise in (2, 5):
            np.save(folder / f"{rise}.npy", np.arange(8, dtype=np.uint8) * rise)
        (folder / "7.npy").touch()
        return folder

    def source(self, path, layout, split):
        if not any(path.glob("*.npy")):
            raise DataError(f"{path} holds no lines")
        return Saved(Saved.Options(path=str(path)))

    def check_data(self, path, layout, progress):
        source = self.source(path, layout, None)
        table = Table("Lines", ("kind", "how many"), [["rising", source.count()]])
        return Inspection(source.count(), {"layout": layout}, [table], source.exclusions())

    def sheet(self, samples):
        return np.stack([np.stack([s.inputs] * 3, -1) for s in samples])

    def figures(self, cases):
        for case in cases:
            yield Figure(case.rank, ", ".join(case.predictions), "image/svg+xml", b"<svg/>")

    def overview(self, cases):
        yield Figure("All", f"{len(list(cases))} lines", "image/svg+xml", b"<svg/>")


class OtherActivation(Lines):
    """Names an activation that does not exist."""

    activation = "argmax"


class OtherRecipe(Lines):
    """Its recipe names a teacher that does not exist."""

    recipe = Lines.recipe.replace("scaler", "unheard-of")


class NoItems(Lines):
    """Counts nothing."""

    def items(self, sample):
        return 0


class ShoutedSuffix(Lines):
    """Its suffix cannot be found."""

    input_suffixes = (".npy", "NPZ")


class Credulous(Lines):
    """Makes something of every file."""

    def read(self, path):
        return Sample(np.frombuffer(path.read_bytes()[:8], np.uint8))


class Helpless(Lines):
    """Passes on what the reading library raises."""

    def read(self, path):
        return Sample(np.load(path))


class Stranger(Lines):
    """Writes under a name of its own."""

    def write(self, path, sample, prediction, stem):
        (stem.parent / "result.txt").write_text("done")
        return {}


class NumpyRow(Lines):
    """Its row holds a number of numpy's."""

    def write(self, path, sample, prediction, stem):
        return {"mean": prediction.mean()}


class GreySheet(Lines):
    """Its sheet is no colour picture."""

    def sheet(self, samples):
        return super().sheet(samples)[..., 0]


class ControlAssumed(Lines):
    """Its figures need a control."""

    def figures(self, cases):
        for case in cases:
            assert case.predictions["control"] is not None
            yield from super().figures([case])


class ShortTarget(Lines):
    """Its targets of truth have another shape than the teacher's predictions."""

    def target_from_truth(self, sample):
        return np.ones(3, np.float32)


class LargeTarget(Lines):
    """Its targets of truth are no probabilities."""

    def target_from_truth(self, sample):
        return np.full(8, 255.0, np.float32)


class TextFigure(Lines):
    """Its figures are text."""

    def figures(self, cases):
        yield Figure("", "", "text/plain", b"")


class ManyAssumed(Lines):
    """Its figure of all samples together needs some."""

    def overview(self, cases):
        first = next(cases)
        yield Figure("All", first.sample.info["name"], "image/svg+xml", b"<svg/>")


class Miscounting(Lines):
    """Finds more in the data than a run would use."""

    def check_data(self, path, layout, progress):
        return replace(super().check_data(path, layout, progress), defects=[])


class Scribbling(Lines):
    """Leaves a file in the user's folder."""

    def check_data(self, path, layout, progress):
        (path / "index.txt").write_text("seen")
        return super().check_data(path, layout, progress)


class Ragged(Lines):
    """Its table has a row that is too long."""

    def check_data(self, path, layout, progress):
        return replace(super().check_data(path, layout, progress), tables=[Table("Lines", ("kind",), [["a", 1]])])


class Unlabelled(Lines):
    """Its data has no truth."""

    def source(self, path, layout, split):
        source = super().source(path, layout, split)
        source.generate = lambda indices: (replace(s, truth={}) for s in Saved.generate(source, indices))
        return source


class Hospitable(Lines):
    """Takes any folder."""

    def source(self, path, layout, split):
        return Saved(Saved.Options(path=str(path)))


class Doubting(Lines):
    """Believes no teacher."""

    def check_teacher(self, samples, predictions):
        raise KdkitError("implausible")


class Misaligned(Lines):
    """Says that seven values have one target."""

    aligned_axes = (AlignedAxis(inputs=7),)


BROKEN = [
    (Misaligned, "test_aligned_axes_go_with_the_shapes"),
    (OtherActivation, "test_activation_is_known"),
    (OtherRecipe, "test_default_recipe_resolves"),
    (NoItems, "test_items_are_counted"),
    (ShoutedSuffix, "test_suffixes_can_be_found"),
    (Credulous, "test_a_damaged_file_is_refused"),
    (Helpless, "test_a_damaged_file_is_refused"),
    (Stranger, "test_a_file_is_read_and_its_prediction_written"),
    (NumpyRow, "test_a_file_is_read_and_its_prediction_written"),
    (GreySheet, "test_samples_are_shown"),
    (ControlAssumed, "test_cases_are_shown"),
    (TextFigure, "test_cases_are_shown"),
    (ShortTarget, "test_truth_becomes_a_target"),
    (LargeTarget, "test_truth_becomes_a_target"),
    (ManyAssumed, "test_all_cases_are_shown_together"),
    (Miscounting, "test_data_is_examined_and_left_alone"),
    (Scribbling, "test_data_is_examined_and_left_alone"),
    (Ragged, "test_data_is_examined_and_left_alone"),
    (Unlabelled, "test_data_is_examined_and_left_alone"),
    (Hospitable, "test_a_folder_without_data_is_refused"),
    (Doubting, "test_a_miniature_run_ends_well"),
]


class Needy(Lines):
    """Its recipe asks for what only the user has; its example settings say what stands for it."""

    recipe = Lines.recipe.replace("name: scaler", "name: scaler, gain: null")

    @classmethod
    def example_settings(cls, folder):
        return ["teacher.gain=2"]


def registry_with(domain):
    """A registry with the components above and this domain."""

    def entry(name, cls):
        return [Entry(name, cls.__doc__, f"{__name__}:{cls.__name__}")]

    parts = {"generator": ("ramps", Ramps), "teacher": ("scaler", Scaler), "student": ("layer", Layer)}
    parts |= {"metric": ("mean", Mean), "domain": ("lines", domain)}
    module = ModuleType("lines_plugin")
    for kind, part in parts.items():

        def hook(part=part):
            return entry(*part)

        hook.__name__ = f"kdkit_{kind}s"
        setattr(module, hook.__name__, hookimpl(hook))
    registry = Registry()
    plugin = Plugin("lines", "kdkit-lines", "1", "lines_plugin")
    registry.add(plugin, lambda: module)
    assert plugin.state == "active", plugin.reason
    return registry


@pytest.mark.parametrize(("component", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_exactly_the_broken_promise_is_noticed(component, test):
    check_only(test, DomainContract, component, registry=registry_with(component))


def test_every_promise_has_a_breaker():
    check_each_has_a_breaker(DomainContract, [test for _, test in BROKEN])


def test_a_good_domain_keeps_all_promises():
    verdict = verdict_on(DomainContract, Lines, registry=registry_with(Lines))
    assert verdict.broken == []
    assert len(verdict.kept) == 20  # it has no options to change


def test_a_recipe_that_needs_something_of_the_users_is_tried_with_the_example_settings():
    verdict = verdict_on(DomainContract, Needy, registry=registry_with(Needy))
    assert verdict.broken == []


def test_a_domain_that_no_plugin_offers_is_not_verified():
    verdict = verdict_on(DomainContract, NoItems, registry=registry_with(Lines))
    assert verdict.unverified == "no plugin offers NoItems as a domain; install it with pip install -e ."
