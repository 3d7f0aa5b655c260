"""Several objectives in one recipe, and those that look inside the networks."""

import csv
import shutil

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from kdkit.contracts.objective import Objective
from kdkit.engine.criterion import Criterion
from kdkit.engine.features import logits_and_features
from kdkit.errors import DataError, PluginError, RecipeError, UsageError
from kdkit.objectives.hint import Hint
from kdkit.objectives.mse import MSE
from kdkit.plugins.registry import discover
from kdkit.recipe.experiment import Term
from kdkit.recipe.load import load_experiment
from kdkit.recipe.show import commented_yaml
from kdkit.stages.pipeline import run_stages

SMALL = ("samples.train=6", "samples.validation=2", "samples.evaluation=3", "training.epochs=3", "controls=[]")
TWO = "objective=[{name: soft-bce}, {name: soft-dice, weight: 0.5}]"
FEATURES = "objective=[{name: soft-bce}, {name: hint, weight: 0.1, layers: [[layer, features]]}]"


def problems(toy, *settings):
    with pytest.raises(RecipeError) as caught:
        load_experiment(discover({}), "toy", None, settings)
    return {problem.path: problem.message for problem in caught.value.problems}


def history(run):
    with run.folder.history("student").open() as file:
        return list(csv.DictReader(file))


def test_every_term_has_its_curve_and_the_loss_is_their_weighted_sum(prepare):
    run = prepare(*SMALL, TWO)
    run_stages(run)
    rows = history(run)
    assert len(rows) == 3
    for row in rows:
        for kind in ("train", "validation"):
            parts = float(row[f"{kind}_soft-bce"]) + 0.5 * float(row[f"{kind}_soft-dice"])
            assert float(row[f"{kind}_loss"]) == pytest.approx(parts, rel=1e-5)
    page = run.folder.report_file.read_text()
    assert "loss (soft-bce + 0.5 soft-dice)" in page
    assert "0.5 × soft-dice" in page


def test_a_single_objective_has_no_terms_beside_the_loss(prepare):
    run = prepare(*SMALL)
    run_stages(run)
    assert list(history(run)[0]) == ["epoch", "train_loss", "validation_loss"]
    assert "<h3>Objectives" not in run.folder.report_file.read_text()


def test_weights_count_in_the_fingerprint_and_a_list_of_one_is_the_one(prepare):
    found = {
        text: prepare(*SMALL, f"objective={text}").arms[0].fingerprint
        for text in (
            "{name: soft-bce}",
            "[{name: soft-bce}]",
            "[{name: soft-bce}, {name: soft-dice}]",
            "[{name: soft-bce}, {name: soft-dice, weight: 2}]",
        )
    }
    assert len(set(found.values())) == 3
    assert found["{name: soft-bce}"] == found["[{name: soft-bce}]"]


def test_the_shown_recipe_of_several_objectives_is_a_recipe_for_the_same_run(toy, tmp_path):
    experiment = load_experiment(discover({}), "toy", None, [TWO])
    path = tmp_path / "shown.yaml"
    path.write_text(commented_yaml(experiment))
    again = load_experiment(discover({}), "toy", path)
    assert again.identity() == experiment.identity()
    assert [(term.name, term.weight) for term in again.terms] == [("soft-bce", 1.0), ("soft-dice", 0.5)]


def test_what_does_not_fit_is_told_at_once_with_its_place(toy):
    found = problems(
        toy, "objective=[{name: kl}, {name: soft-bce}, {name: soft-bce}, {name: soft-dic}]", "student.gain=x"
    )
    assert found["objective.0"] == "kl is for the activation softmax; the domain toy has sigmoid"
    assert found["objective.2"] == "soft-bce is listed twice"
    assert "did you mean soft-dice?" in found["objective.3"]
    assert "student.gain" in found


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("[{name: soft-bce, weight: 0}]", "objective.0.weight", "greater than 0"),
        ("[{weight: 1}]", "objective.0.name", "missing"),
        ("[]", "objective", "at least 1 item"),
        ("{name: soft-bce, weight: 2}", "objective.weight", "unknown option"),
        ("[{name: soft-dice, smoth: 2}]", "objective.0.smoth", "did you mean smooth?"),
    ],
)
def test_faults_in_a_list_of_objectives_are_told_by_their_place(toy, text, place, message):
    found = problems(toy, f"objective={text}")
    assert list(found) == [place]
    assert message in found[place]


def test_features_alone_are_refused(toy):
    found = problems(toy, "objective={name: hint, layers: [[layer, features]]}")
    assert "compares features only" in found["objective"]


def test_a_teacher_that_only_answers_is_refused_where_features_are_asked_for(toy, monkeypatch):
    from kdkit_toy.models import Brightness

    monkeypatch.setattr(Brightness, "gradients", False)
    assert "the teacher brightness gives only logits" in problems(toy, FEATURES)["objective.1"]


def test_a_module_that_is_not_there_is_named_before_anything_runs(prepare, toy):
    with pytest.raises(UsageError, match=r"(?s)the student's network has no module 'layr'.*Did you mean layer\?"):
        run_stages(prepare(*SMALL, FEATURES.replace("[layer", "[layr")))
    with pytest.raises(UsageError, match="the teacher's network has no module 'features'"):
        run_stages(prepare(*SMALL, FEATURES))
    assert not (toy / "store").exists()


class Looking(torch.nn.Module):
    """A teacher with features of another shape than the student's, and a weight of its own."""

    def __init__(self):
        super().__init__()
        self.features = torch.nn.Conv2d(1, 3, 3, stride=2, padding=1)

    def forward(self, inputs):
        self.features(inputs.flatten(0, 1).unsqueeze(1).float() / 255)
        return 20 * (inputs.float() / 255 - 0.5)


@pytest.fixture
def looking(toy, monkeypatch):
    from kdkit_toy.models import Brightness

    def build(self):
        torch.manual_seed(5)
        return Looking()

    monkeypatch.setattr(Brightness, "build", build)


def test_features_are_learnt_and_the_teacher_is_in_no_checkpoint_and_no_student(looking, prepare, monkeypatch):
    kept = []
    real = ModelCheckpoint._save_checkpoint

    def keep(self, trainer, path):
        real(self, trainer, path)
        kept.append(torch.load(path, weights_only=True)["state_dict"])

    monkeypatch.setattr(ModelCheckpoint, "_save_checkpoint", keep)
    run = prepare(*SMALL, FEATURES)
    run_stages(run, last="distill")
    assert kept
    for state in kept:
        assert {name.partition(".")[0] for name in state} == {"network", "criterion"}
        assert {name for name in state if name.startswith("criterion")} == {
            "criterion.adapters.hint/0.map.weight",
            "criterion.adapters.hint/0.map.bias",
        }
    assert not torch.equal(*(state["criterion.adapters.hint/0.map.weight"] for state in (kept[0], kept[-1])))
    values = [float(row["train_hint"]) for row in history(run)]
    assert values[-1] < values[0]
    card = run.folder.model("student")
    from safetensors.torch import load_file

    assert set(load_file(card / "weights.safetensors")) == {"layer.weight", "layer.bias"}


def test_a_training_with_adapters_that_was_cut_off_ends_as_if_it_had_not_been(looking, prepare, monkeypatch):
    from safetensors.torch import load_file

    from kdkit.engine.distillation import Distillation

    run = prepare(*SMALL, FEATURES)
    run_stages(run, last="distill")
    expected = load_file(run.folder.model("student") / "weights.safetensors")
    shutil.rmtree(run.folder.path)
    began = Distillation.on_train_epoch_start

    def strike(self):
        if self.current_epoch == 2:
            raise InterruptedError
        began(self)

    with monkeypatch.context() as patched:
        patched.setattr(Distillation, "on_train_epoch_start", strike)
        with pytest.raises(InterruptedError):
            run_stages(prepare(*SMALL, FEATURES), last="distill")
    again = prepare(*SMALL, FEATURES)
    run_stages(again, last="distill")
    found = load_file(again.folder.model("student") / "weights.safetensors")
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=0)


class Weightless(Objective):
    """An objective of someone who did not read on to the weight."""

    def loss(self, logits, targets):
        return ((logits - targets) ** 2).mean()


def test_an_objective_that_takes_no_weight_is_named_where_the_teacher_gives_one():
    criterion = Criterion([Term("mine", 1.0, Weightless())])
    network, inputs, targets = torch.nn.Linear(2, 2), torch.ones(3, 2), torch.zeros(3, 2)
    loss, _ = criterion(network, inputs, targets)
    torch.testing.assert_close(loss, (network(inputs) ** 2).mean())
    with pytest.raises(PluginError, match="the objective mine takes no weight") as caught:
        criterion(network, inputs, targets, torch.ones(3, 2))
    assert "weigh: false" in caught.value.remedy


class Two(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.cell = torch.nn.LSTM(2, 2, batch_first=True)

    def forward(self, inputs):
        return self.layer(self.layer(inputs)) + self.cell(inputs[:, None])[0][:, 0]


def test_features_that_cannot_be_compared_are_refused():
    with pytest.raises(DataError, match="'layer' is used 2 times in a pass"):
        logits_and_features(Two(), torch.zeros(1, 2), ["layer"])
    with pytest.raises(DataError, match="'cell' does not give out one tensor"):
        logits_and_features(Two(), torch.zeros(1, 2), ["cell"])


class Frames(torch.nn.Module):
    """Takes each frame of (batch, time, values) for a sample, ``step`` at once."""

    def __init__(self, step=3):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.step = step

    def forward(self, clips):
        parts = clips.flatten(0, 1).split(self.step)
        return torch.cat([self.layer(part) for part in parts]).unflatten(0, clips.shape[:2])


class Gathering(Frames):
    def gather_features(self, outputs, clips):
        return torch.cat(outputs)


def test_a_network_gathers_the_features_of_several_passes_itself():
    network, clips = Gathering(), torch.randn(2, 4, 2)
    answer, found = logits_and_features(network, clips, ["layer"])
    torch.testing.assert_close(found["layer"], answer.flatten(0, 1))
    with pytest.raises(DataError, match="'layer' is used 3 times in a pass"):
        logits_and_features(Frames(), clips, ["layer"])


def test_features_for_unequal_numbers_of_samples_are_refused_before_the_training():
    hint = Hint(Hint.Options.model_validate({"layers": [["layer", "0"]]}))
    teacher = torch.nn.Sequential(torch.nn.Linear(2, 2))
    criterion = Criterion([Term("mse", 1.0, MSE()), Term("hint", 1.0, hint)], teacher)
    with pytest.raises(DataError, match="'layer' gives out features for 4 and the teacher's '0' for 1") as caught:
        criterion.add_adapters(Frames(4), torch.randn(1, 4, 2))
    assert "gather_features" in caught.value.remedy


def test_the_gradient_of_a_feature_term_reaches_the_student_and_not_the_teacher():
    teacher = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Linear(4, 1))
    student = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    hint = Hint(Hint.Options.model_validate({"layers": [["0", "0"]]}))
    criterion = Criterion([Term("mse", 1.0, MSE()), Term("hint", 3.0, hint)], teacher)
    inputs = torch.randn(5, 2)
    criterion.add_adapters(student, inputs[:1])
    loss, values = criterion(student, inputs, teacher(inputs).detach())
    expected = torch.nn.functional.mse_loss(criterion.adapters["hint/0"](student[0](inputs)), teacher[0](inputs))
    assert values["hint"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss.item() == pytest.approx((values["mse"] + 3 * values["hint"]).item(), rel=1e-5)
    loss.backward()
    assert all(weight.grad is not None for weight in [*student.parameters(), *criterion.parameters()])
    assert all(weight.grad is None for weight in teacher.parameters())
