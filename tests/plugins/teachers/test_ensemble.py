"""How several answers become one, against the same written out by hand."""

import math

import numpy as np
import pytest
import torch
from kdkit_teachers import combining
from kdkit_teachers.ensemble import Ensemble
from pydantic import ValidationError

from kdkit import DataError
from kdkit.errors import RecipeError
from kdkit.plugins.registry import discover
from kdkit.recipe.load import load_experiment
from kdkit.stages.pipeline import run_stages
from kdkit.store.targets import WEIGHT

EQUAL, SHARES = torch.tensor([1 / 3] * 3), torch.tensor([0.5, 0.3, 0.2])
ACTIVATE = {"sigmoid": torch.sigmoid, "softmax": lambda x: x.softmax(-1), "identity": lambda x: x}


@pytest.fixture
def answers():
    torch.manual_seed(0)
    return 3 * torch.randn(3, 2, 5, 4)


@pytest.mark.parametrize("activation", ACTIVATE)
def test_means_are_means_of_probabilities(answers, activation):
    activate = ACTIVATE[activation]
    found = activate(combining.mean(answers, activation, SHARES))
    torch.testing.assert_close(found, activate(answers).mean(0))
    found = activate(combining.weighted(answers, activation, SHARES))
    torch.testing.assert_close(found, (SHARES.view(3, 1, 1, 1) * activate(answers)).sum(0))


@pytest.mark.parametrize("activation", ACTIVATE)
@pytest.mark.parametrize("members", [2, 3])
def test_medians_are_medians_of_probabilities(answers, activation, members):
    activate = ACTIVATE[activation]
    found = activate(combining.median(answers[:members], activation, EQUAL[:members]))
    expected = torch.from_numpy(np.median(activate(answers[:members]).numpy(), axis=0))
    if activation == "softmax":
        expected = expected / expected.sum(-1, keepdim=True)
    torch.testing.assert_close(found, expected)


def test_certain_answers_stay_finite():
    answers = torch.tensor([[[300.0]], [[-300.0]]])
    half = EQUAL[:2] * 1.5
    assert combining.mean(answers, "sigmoid", half).item() == pytest.approx(0, abs=1e-5)
    assert combining.agreement(answers, "sigmoid", half).item() == pytest.approx(0, abs=1e-5)
    assert bool(combining.mean(answers.expand(2, 1, 3), "softmax", half).isfinite().all())


def test_the_majority_decides_and_the_mean_breaks_ties():
    three = torch.tensor([[1.0, 1.0, -1.0], [0.1, -9.0, -1.0], [-9.0, -9.0, 5.0]])[:, None]
    assert combining.majority(three, "sigmoid", EQUAL)[0].sign().tolist() == [1, -1, -1]
    two = torch.tensor([[3.0, 1.0], [-1.0, -3.0]])[:, None]
    assert combining.majority(two, "sigmoid", EQUAL)[0].sign().tolist() == [1, -1]
    # Two of three say class 1, however sure the third one is of class 2; one vote each goes to the surest.
    classes = torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 99.0]])[:, None]
    assert combining.majority(classes, "softmax", EQUAL).argmax().item() == 1
    assert combining.majority(classes[1:], "softmax", EQUAL[:2]).argmax().item() == 2


def staple_pixel_by_pixel(decisions, rounds=300):
    """Warfield's equations (14) to (19), written out; decisions (members, pixels) of 0 and 1."""
    members, pixels = decisions.shape
    prior = min(max(decisions.mean(), 1e-5), 1 - 1e-5)
    p, q = [1 - 1e-5] * members, [1 - 1e-5] * members
    for _ in range(rounds):
        posterior = []
        for i in range(pixels):
            a, b = prior, 1 - prior
            for j in range(members):
                a *= p[j] if decisions[j, i] else 1 - p[j]
                b *= 1 - q[j] if decisions[j, i] else q[j]
            posterior.append(a / (a + b))
        w = np.array(posterior)
        p = [min(max((w * d).sum() / w.sum(), 1e-5), 1 - 1e-5) for d in decisions]
        q = [min(max(((1 - w) * (1 - d)).sum() / (1 - w).sum(), 1e-5), 1 - 1e-5) for d in decisions]
    return w


def test_staple_is_warfield_s():
    rng = np.random.default_rng(3)
    truth = rng.random(120) < 0.4
    errors = (0.05, 0.1, 0.1, 0.4)
    decisions = np.array([truth ^ (rng.random(120) < error) for error in errors]).astype(float)
    answers = torch.from_numpy(np.where(decisions > 0, 2.0, -2.0)).view(4, 1, 10, 12)
    found = combining.staple(answers, "sigmoid", EQUAL).sigmoid().flatten().numpy()
    np.testing.assert_allclose(found, staple_pixel_by_pixel(decisions), atol=2e-5)


def test_staple_trusts_those_who_are_right():
    rng = np.random.default_rng(0)
    truth = rng.random(4000) < 0.4
    decisions = torch.from_numpy(np.array([truth ^ (rng.random(4000) < error) for error in (0.02, 0.3, 0.3)]))
    answers = torch.where(decisions, 2.0, -2.0)[:, None]
    right = {
        name: float(((getattr(combining, name)(answers, "sigmoid", EQUAL)[0] > 0).numpy() == truth).mean())
        for name in ("staple", "majority")
    }
    assert right["staple"] > 0.97 > right["majority"]


@pytest.mark.parametrize("value", [3.0, -3.0])
def test_staple_of_masks_that_are_all_full_or_all_empty(value):
    found = combining.staple(torch.full((3, 2, 4, 4), value), "sigmoid", EQUAL)
    assert bool((found.sign() == math.copysign(1, value)).all())


def test_staple_treats_samples_apart(answers):
    one = combining.staple(answers[:, :1], "sigmoid", EQUAL)
    torch.testing.assert_close(combining.staple(answers, "sigmoid", EQUAL)[:1], one)


def test_agreement_of_known_values():
    alike = torch.tensor([[[1.0]], [[1.0]], [[1.0]]])
    assert combining.agreement(alike, "sigmoid", EQUAL).item() == pytest.approx(1)
    # p = 0.8 and 0.2: D = ln 2 - H(0.8).
    logits = torch.tensor([[[math.log(4)]], [[-math.log(4)]]])
    entropy = -(0.8 * math.log(0.8) + 0.2 * math.log(0.2))
    expected = 1 - (math.log(2) - entropy) / math.log(2)
    assert combining.agreement(logits, "sigmoid", torch.tensor([0.5, 0.5])).item() == pytest.approx(
        expected, rel=1e-5
    )
    sure = torch.tensor([[[99.0, 0, 0]], [[0, 99.0, 0]], [[0, 0, 99.0]]])
    found = combining.agreement(sure, "softmax", EQUAL)
    assert found.shape == (1, 1)
    assert found.item() == pytest.approx(0, abs=1e-5)


def member(threshold, **more):
    arguments = {"threshold": threshold}
    return {"name": "callable", "path": "kdkit_teachers.example:brightness", "arguments": arguments, **more}


def ensemble(*members, activation="sigmoid", **options):
    return Ensemble(Ensemble.Options.model_validate({"members": members, "activation": activation, **options}))


def test_it_gives_gradients_where_all_members_do():
    blind = member(0.2, gives_gradients=False)
    assert ensemble(member(0.2), member(0.3)).gradients
    assert not ensemble(member(0.2), blind).gradients
    assert not ensemble(member(0.2), member(0.3), combine="staple").gradients


def test_without_weights_it_answers_like_any_teacher():
    inputs = torch.full((1, 2), 100, dtype=torch.uint8)
    assert isinstance(ensemble(member(0.2), member(0.3), weigh=False).build()(inputs), torch.Tensor)
    values = ensemble(member(0.2), member(0.4), activation="identity").build()(inputs)
    torch.testing.assert_close(values, 20 * (inputs.float() / 255 - 0.3))


def test_members_that_answer_in_different_shapes_are_told(tmp_path, monkeypatch):
    (tmp_path / "summing.py").write_text("def total(inputs): return inputs.float().sum(1)")
    monkeypatch.syspath_prepend(str(tmp_path))
    network = ensemble(member(0.2), {"name": "callable", "path": "summing:total"}).build()
    with pytest.raises(DataError, match="answer in different shapes"):
        network(torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"members": 1}, "two or more"),
        ({"combine": "weighted"}, "shares belong to"),
        ({"shares": (1.0, 1.0)}, "shares belong to"),
        ({"combine": "weighted", "shares": (1.0,)}, "one for each member"),
        ({"combine": "weighted", "shares": (1.0, 0.0)}, "above 0"),
        ({"combine": "majority", "activation": "identity"}, "no majority"),
        ({"combine": "staple", "activation": "softmax"}, "staple is for masks"),
        ({"combine": "staple", "members": 17}, "at most 16"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, told):
    members = [member(0.2)] * options.pop("members", 2)
    with pytest.raises(ValidationError, match=told):
        ensemble(*members, **options)


def in_recipe(*members, activation="sigmoid"):
    written = ", ".join(str(choice).replace("'", '"') for choice in members)
    return [f"teacher={{name: ensemble, activation: {activation}, members: [{written}]}}"]


def test_faults_of_members_are_told_where_they_are_all_at_once(toy):
    members = (member(0.2, pathh=1), {"name": "calable"}, {"name": "brightness", "threshold": 7})
    with pytest.raises(RecipeError) as caught:
        load_experiment(discover({}), "toy", None, in_recipe(*members))
    told = {problem.path: problem.message for problem in caught.value.problems}
    assert told["teacher.members.0.pathh"].startswith("unknown option; did you mean path?")
    assert "did you mean callable?" in told["teacher.members.1"]
    assert "less than or equal to 1" in told["teacher.members.2.threshold"]
    assert len(told) == 3


def test_the_activation_of_another_domain_is_refused(toy):
    with pytest.raises(RecipeError, match=r"teacher .* is for the activation softmax; the domain toy has sigmoid"):
        load_experiment(discover({}), "toy", None, in_recipe(member(0.2), member(0.3), activation="softmax"))


def test_weights_travel_from_the_ensemble_into_training(toy, toy_run):
    small = ("samples.train=4", "samples.validation=2", "samples.evaluation=2", "training.epochs=1", "controls=[]")
    run = toy_run(toy, *small, *in_recipe(member(0.3), {"name": "brightness", "threshold": 0.7}))
    run_stages(run, last="distill")
    (training,) = [arm.training for arm in run.arms]
    index = training.split.start
    weight, raw = training.targets.read(index, WEIGHT), training.split.samples.store.read(index, "inputs")
    logits = torch.stack([20 * (torch.from_numpy(raw).float() / 255 - t) for t in (0.3, 0.7)])
    expected = combining.agreement(logits, "sigmoid", torch.tensor([0.5, 0.5]))
    np.testing.assert_allclose(weight / 255, expected.numpy(), atol=1 / 509)
    assert 0 < weight.mean() < 255
