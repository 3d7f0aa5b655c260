"""The report: what it says equals what was measured, and nothing in it can harm or is fetched from elsewhere."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

import numpy as np
import pytest

from kdkit import Domain, Figure, Generator, Metric, Objective, Sample, Student, Teacher
from kdkit.atomic import write_csv, write_json
from kdkit.contracts.metric import Score
from kdkit.errors import StoreError
from kdkit.evaluation.judgement import JudgedDifference
from kdkit.evaluation.numbers import common_format, format_count, format_duration, format_score, format_significant
from kdkit.evaluation.outcome import Outcome, SampleValues
from kdkit.evaluation.paired import Difference
from kdkit.evaluation.ranking import best_first, pick_examples
from kdkit.evaluation.verdict import verdict
from kdkit.pages.svg import canvas, inline
from kdkit.progress import Silence
from kdkit.recipe.experiment import Experiment, Term
from kdkit.recipe.schema import Recipe
from kdkit.runs.folder import RunFolder
from kdkit.runs.run import Run
from kdkit.stages import evaluate, generate, report
from kdkit.store.targets import to_record

HOSTILE = """<script>alert("1")</script>&'"""
PICTURE = b"<svg xmlns='http://www.w3.org/2000/svg' width='80' height='40'/>"


class Squares(Generator):
    """Bright squares; the first sample has a name that no one should trust."""

    def generate(self, indices):
        for index in indices:
            image = np.zeros((8, 8), np.uint8)
            image[: 2 + index % 5, :4] = 255
            name = HOSTILE if index == 0 else f"square-{index}"
            yield Sample(image, {"mask": image > 0}, {"name": name})


class Unbuilt(Teacher):
    """Its answers are put into the store by hand."""

    def build(self):
        raise NotImplementedError


class UnbuiltStudent(Student):
    """Its answers are put into the store by hand."""

    inputs = "(batch, 8, 8) uint8"

    def build(self):
        raise NotImplementedError


class Unused(Objective):
    """Nothing is trained here."""

    def loss(self, logits, targets):
        raise NotImplementedError


class Overlap(Metric):
    """Dice over the image."""

    unit = ""
    higher_is_better = True

    def measure(self, prediction, sample):
        found, mask = prediction >= 0.5, sample.truth["mask"]
        return [(2 * float((found & mask).sum()) / float(found.sum() + mask.sum()),)]


class AreaBias(Metric):
    """Predicted minus true area, as a share of the image."""

    unit = "%"
    higher_is_better = None

    def measure(self, prediction, sample):
        return [(100 * float((prediction >= 0.5).mean() - sample.truth["mask"].mean()),)]


class AreaCorrelation(Metric):
    """Correlation of areas; one sample alone has none."""

    unit = ""
    higher_is_better = True

    def measure(self, prediction, sample):
        return [(float(prediction.mean()), float(sample.truth["mask"].mean()))]

    def summarize(self, cases):
        if len(np.unique(cases[:, 1])) < 2:
            return float("nan")
        return float(np.corrcoef(cases.T)[0, 1])


class Unmeasurable(Metric):
    """Needs a label that no sample has."""

    unit = "mm"
    higher_is_better = False

    def measure(self, prediction, sample):
        return []


class Squared(Domain):
    """Squares."""

    item = "image"

    def __init__(self):
        super().__init__()
        self.asked = []
        self.all_asked = []

    def figures(self, cases):
        for case in cases:
            self.asked.append(case)
            yield Figure("Outline", f"caption of {case.sample.info['name']}", "image/svg+xml", PICTURE)

    def overview(self, cases):
        self.all_asked = list(cases)
        yield Figure("Everything", f"all <{len(self.all_asked)}>", "image/svg+xml", PICTURE)


class BiasedTruth(AreaBias):
    """Predicted area minus that of something larger: a perfect mask is below it."""

    zero_is_best = False


METRICS = {
    "overlap": Overlap,
    "area-bias": AreaBias,
    "area-correlation": AreaCorrelation,
    "unmeasurable": Unmeasurable,
}


def measured_run(tmp_path, metrics=tuple(METRICS), control=True, evaluation=6):
    """A run whose answers, losses and sizes are written by hand, evaluated in earnest."""
    recipe = Recipe.model_validate(
        {
            "domain": "squares",
            "seed": 3,
            "generator": {"name": "squares"},
            "teacher": {"name": "oracle"},
            "student": {"name": "<b>tiny</b>"},
            "objective": {"name": "mse"},
            "samples": {"train": 4, "validation": 2, "evaluation": evaluation},
            "training": {"epochs": 3, "batch_size": 2},
            "evaluation": {"metrics": list(metrics)},
            "controls": [{"generator": {"name": "noise"}}] if control else [],
        }
    )
    experiment = Experiment(
        recipe=recipe,
        domain=Squared(),
        domain_file=None,
        generator=Squares(),
        teacher=Unbuilt(),
        student=UnbuiltStudent(),
        terms=[Term("mse", 1.0, Unused())],
        metrics={name: METRICS[name]() for name in metrics},
        evaluation_generator=None,
        control_generators=[Squares(seed=1)] if control else [],
    )
    run = Run(experiment, RunFolder(tmp_path / "runs" / "bold-otter"), tmp_path / "store", Silence())
    generate.execute(run)
    answer(run.evaluation.targets, run, noise=0.0)
    models = {"teacher": {"weights": 11_002_345, "items_per_second": 55.3, "bytes": None}}
    for arm, noise in zip(run.arms, (0.2, 0.6), strict=False):
        answer(run.predictions(arm), run, noise)
        models[arm.name] = {"weights": 195_123, "items_per_second": 310.4, "bytes": 790_000}
        losses = [{"epoch": e, "train_loss": 1 / (e + 1), "validation_loss": 1.5 / (e + 1)} for e in range(3)]
        write_csv(run.folder.history(arm.name), losses)
    write_json(run.folder.models_file, models)
    origin = {"distribution": "", "version": "1", "digest": ""}
    card = {
        "format": 2,
        "domain": "squares",
        "component": "unbuilt",
        "options": {},
        "inputs": "(batch, 8, 8) uint8",
        "activation": "sigmoid",
        "weights": 1,
        "components": {"student": origin, "domain": origin},
        "provenance": {},
    }
    write_json(run.folder.model("student") / "card.json", card)
    evaluate.execute(run)
    run.folder.update_manifest(
        versions={"python": "3.11.7"},
        hardware={"system": "Linux", "processor": "Some <CPU>", "cores": 2},
        seconds={"generate": 1.5, "distill": 130.2},
    )
    return run


def answer(store, run, noise):
    """Answers near the truth; how near depends on the sample, so that they can be ranked."""
    split = run.evaluation.split
    records = []
    for index in split.indices:
        rng = np.random.default_rng(index)
        mask = split.samples.sample(index).truth["mask"]
        wrong = rng.random(mask.shape) < noise * (1 + index) / len(split)
        records.append(to_record(np.where(mask ^ wrong, 230, 20).astype(np.uint8)))
    store.write(split.start, records)
    store.refresh()


@dataclass
class Page(HTMLParser):
    """What a test wants to know of a page."""

    text: str
    cells: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    attributes: list = field(default_factory=list)
    open_tags: list = field(default_factory=list)
    words: dict = field(default_factory=dict)

    VOID = frozenset({"meta", "link", "img", "br"})

    def __post_init__(self):
        super().__init__()
        self._cell = None
        self.feed(self.text)
        assert self.open_tags == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"<{tag}> repeats an attribute"
        self.attributes.append((tag, attributes))
        if tag not in self.VOID:
            self.open_tags.append(tag)
        if tag == "td" and "data-model" in attributes:
            name = attributes.get("data-metric") or attributes["data-fact"]
            self._cell = (attributes["data-model"], name)
            (self.cells if "data-metric" in attributes else self.facts)[self._cell] = []
            self.words[self._cell] = ""
        if tag == "data" and self._cell:
            group = self.cells if self._cell in self.cells else self.facts
            group[self._cell].append(float(attributes["value"]))

    def handle_startendtag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open_tags.pop() == tag
        if tag == "td":
            self._cell = None

    def handle_data(self, data):
        if self._cell:
            self.words[self._cell] += data


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = measured_run(tmp_path_factory.mktemp("report"))
    report.execute(run)
    return run


@pytest.fixture(scope="module")
def page(run):
    return Page(run.folder.report_file.read_text(encoding="utf-8"))


def test_every_number_is_the_one_in_scores_json(run, page):
    scores = json.loads(run.folder.scores_file.read_text())
    del scores["differences"]
    assert page.cells.keys() == {(model, metric) for model in scores for metric in METRICS}
    for (model, metric), numbers in page.cells.items():
        score = scores[model][metric]
        known = [score[key] for key in ("value", "ci_low", "ci_high") if score[key] is not None]
        assert numbers == [*known, score["n"]]


def test_sizes_and_speeds_are_those_measured(page):
    assert page.facts["teacher", "weights"] == [11_002_345]
    assert page.facts["student", "size on disk"] == [790_000]
    assert page.facts["control", "speed"] == [310.4]
    assert "195\u00a0k" in page.words["student", "weights"]
    assert "56× fewer" in page.words["student", "weights"]
    assert "5.6× faster" in page.words["student", "speed"]
    assert page.words["teacher", "size on disk"].strip() == "–"
    assert "images/s" in page.text
    assert "weights 56× fewer, speed 5.6× faster" in page.text


def test_what_was_not_measured_is_a_dash(page):
    assert page.words["student", "unmeasurable"].split() == ["–", "n", "0"]


def test_nothing_is_fetched_from_elsewhere(page):
    for tag, attributes in page.attributes:
        assert tag not in ("script", "iframe", "object", "embed", "base")
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "data:").startswith(("data:", "#"))
    assert "@import" not in page.text
    assert not re.search(r"url\((?!#)", page.text)
    pictures = [attributes for tag, attributes in page.attributes if tag == "img"]
    assert len(pictures) == 4
    assert all(picture["alt"] for picture in pictures)


def test_ids_are_unique_and_references_lead_somewhere(page):
    ids = Counter(attributes["id"] for _, attributes in page.attributes if "id" in attributes)
    assert max(ids.values()) == 1
    pointed = {a["xlink:href"][1:] for _, a in page.attributes if "xlink:href" in a}
    pointed |= {a["aria-labelledby"] for _, a in page.attributes if "aria-labelledby" in a}
    pointed |= set(re.findall(r"url\(#([^)]*)\)", page.text))
    assert pointed <= ids.keys()


def test_what_comes_from_outside_is_escaped(page):
    assert "<script" not in page.text
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;&amp;&#39;" in page.text
    assert "<b>tiny" not in page.text
    assert "Some &lt;CPU&gt;" in page.text


def test_it_says_how_the_student_was_made(run, page):
    assert "squares /" in page.text
    assert "bold-otter" in page.text
    assert "<b>oracle</b>" in page.text
    assert "python&nbsp;3.11.7" in page.text
    assert "distill&nbsp;2\u00a0min 10\u00a0s" in page.text
    assert run.folder.fingerprint("evaluate") in page.text
    assert "learning_rate: 0.001" in page.text


def test_the_domain_draws_the_best_the_median_and_the_worst(run):
    rows = {s.index: s for s in report.read_outcome(run).samples}
    ordered = sorted(rows, key=lambda i: (-rows[i].values["student"], i))
    asked = run.experiment.domain.asked
    assert [case.rank for case in asked[:3]] == ["best", "median", "worst"]
    for case, index in zip(asked, (ordered[0], ordered[3], ordered[-1]), strict=False):
        assert case.score == rows[index].values["student"]
        np.testing.assert_array_equal(case.sample.inputs, run.evaluation.split.samples.sample(index).inputs)
        assert list(case.predictions) == ["teacher", "student", "control"]
        assert case.predictions["student"].dtype == np.float32


def test_the_domain_draws_all_samples_together(run, page):
    given, rows = run.experiment.domain.all_asked, report.read_outcome(run).samples
    assert [case.sample.info["name"] for case in given] == [row.name for row in rows]
    assert [case.score for case in given] == [row.values["student"] for row in rows]
    assert all(set(case.predictions) == {"teacher", "student", "control"} and case.rank == "" for case in given)
    assert "all &lt;6&gt;" in page.text


def test_it_does_without_a_control(tmp_path):
    run = measured_run(tmp_path, control=False)
    report.execute(run)
    page = Page(run.folder.report_file.read_text(encoding="utf-8"))
    assert page.cells.keys() == {(model, metric) for model in ("teacher", "student") for metric in METRICS}
    assert "There is no control to compare with" in page.text


def test_a_metric_of_all_samples_together_ranks_none(tmp_path):
    run = measured_run(tmp_path, metrics=("area-correlation",))
    report.execute(run)
    page = run.folder.report_file.read_text(encoding="utf-8")
    assert "has no value for a sample alone" in page
    assert run.experiment.domain.asked == []


@pytest.mark.parametrize(("metric", "is_best"), [("area-bias", True), ("biased", False)])
def test_zero_is_no_aim_of_a_bias_that_a_perfect_prediction_has(tmp_path, monkeypatch, metric, is_best):
    monkeypatch.setitem(METRICS, "biased", BiasedTruth)
    run = measured_run(tmp_path, metrics=(metric,))
    report.execute(run)
    page = run.folder.report_file.read_text(encoding="utf-8")
    assert ("→0" in page, "zero is best" in page) == (is_best, is_best)
    assert ("no value is the best" in page) != is_best


def test_an_unmeasured_first_metric_says_so(tmp_path):
    run = measured_run(tmp_path, metrics=("unmeasurable",))
    report.execute(run)
    assert "The student was not scored." in run.folder.report_file.read_text(encoding="utf-8")


def test_it_does_without_histories_and_with_a_single_sample(tmp_path):
    run = measured_run(tmp_path, evaluation=1)
    for arm in run.arms:
        run.folder.history(arm.name).unlink()
    report.execute(run)
    page = run.folder.report_file.read_text(encoding="utf-8")
    assert page.count("data-rank") == 1
    assert 'data-rank="best"' in page
    assert "<h3>Training" not in page


def test_it_is_whole_until_what_it_shows_changes(tmp_path):
    run = measured_run(tmp_path)
    assert not report.is_whole(run)
    report.execute(run)
    assert report.is_whole(run)
    more = Run(run.experiment, run.folder, run.root, Silence())
    more.experiment.metrics.pop("area-bias")
    assert not report.is_whole(more)
    run.folder.report_file.unlink()
    assert not report.is_whole(run)


def test_the_same_run_gives_the_same_bytes(run):
    before = run.folder.report_file.read_bytes()
    report.execute(run)
    assert run.folder.report_file.read_bytes() == before


@pytest.mark.parametrize("name", ["scores_file", "models_file", "cases_file"])
def test_damaged_files_are_named(tmp_path, name):
    run = measured_run(tmp_path)
    path = getattr(run.folder, name)
    path.unlink()
    with pytest.raises(StoreError, match=path.name):
        report.execute(run)


def test_the_users_plot_style_is_neither_used_nor_changed(run):
    import matplotlib

    before = run.folder.report_file.read_text(encoding="utf-8")
    charts = before[before.index("<svg") : before.index('id="cases"')]
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.facecolor": "red", "font.size": 30}):
        mine = dict(matplotlib.rcParams)
        report.execute(run)
        assert dict(matplotlib.rcParams) == mine
    assert charts in run.folder.report_file.read_text(encoding="utf-8")


@pytest.mark.parametrize(("direction", "order"), [(True, [2, 1, 3, 0]), (False, [0, 3, 1, 2]), (None, [1, 3, 2, 0])])
def test_best_first_follows_the_direction(direction, order):
    values = [-9.0, 0.5, 5.0, -1.0, None]
    samples = [SampleValues(str(i), i, {"student": value}) for i, value in enumerate(values)]
    assert [s.index for s in best_first(samples, direction)] == order


@pytest.mark.parametrize(
    ("count", "ranks"),
    [(0, []), (1, ["best"]), (2, ["best", "worst"]), (3, ["best", "median", "worst"])],
)
def test_no_sample_is_shown_twice(count, ranks):
    samples = [SampleValues(str(i), i, {"student": float(i)}) for i in range(count)]
    assert [rank for rank, _ in pick_examples(samples)] == ranks


def judged(teacher=None, control=None, teacher_control=(0.7, 0.75, 0.8), higher=True, units=50, margin=0.02):
    """The verdict on the interval (low, value, high) of the student minus another model."""
    differences = {}
    for pair, span in (
        ("student-teacher", teacher),
        ("student-control", control),
        ("teacher-control", teacher_control),
    ):
        if span is not None:
            low, value, high = span
            difference = Difference(value, low, high, units, units)
            differences[pair] = {"x": JudgedDifference.of(difference, higher, margin)}
    interval = (0.8, 1.0) if units >= 5 else (None, None)
    models = ["student", "teacher", *(["control"] if control else [])]
    scores = {model: {"x": Score(0.9, *interval, units, "", higher, units)} for model in models}
    return verdict(Outcome("x", scores, {}, {}, [], differences))


CLEAR = (0.6, 0.7, 0.8)


@pytest.mark.parametrize(
    ("teacher", "control", "level", "words"),
    [
        ((-0.015, -0.003, 0.009), CLEAR, "good", "equivalent to its teacher: at most 0.02 worse"),
        ((0.01, 0.02, 0.03), CLEAR, "good", "better than its teacher"),
        ((-0.019, -0.01, -0.001), CLEAR, "good", "slightly worse than its teacher"),
        ((-0.06, -0.05, -0.04), CLEAR, "mixed", "worse than its teacher by more than 0.02"),
        ((-0.022, -0.0137, -0.003), CLEAR, "mixed", "Cannot tell"),
        ((-0.015, -0.003, 0.009), None, "mixed", "equivalent to its teacher"),
        ((-0.015, -0.003, 0.009), (-0.01, 0.1, 0.2), "bad", "not certainly better than the control"),
        ((-0.9, -0.8, -0.7), (-0.3, -0.2, -0.1), "bad", "worse than the control"),
        (None, CLEAR, "good", "better than the control"),
        (None, None, "mixed", "stands alone"),
    ],
)
def test_the_verdict_follows_from_the_paired_differences(teacher, control, level, words):
    result = judged(teacher, control)
    assert result.level == level
    assert words in result.headline


def test_the_verdict_says_how_many_more_units_would_help():
    assert "about 64 more units" in judged((-0.022, -0.0137, -0.003), CLEAR).headline


def test_a_teacher_no_better_than_the_control_means_that_nothing_is_measured():
    result = judged((-0.01, 0.0, 0.01), (-0.1, 0.0, 0.1), teacher_control=(-0.1, 0.0, 0.1))
    assert result.level == "bad" and "measures nothing" in result.headline


def test_without_an_interval_no_claim_is_made():
    result = judged((None, -0.1, None), (None, 0.7, None), (None, 0.8, None), units=3)
    assert result.level == "mixed" and "too few independent units" in result.headline
    assert any("there is no interval" in remark for remark in result.remarks)


def test_where_nothing_varies_no_claim_is_made_and_the_reason_is_said():
    result = judged((None, 0.0, None), CLEAR)
    assert result.level == "mixed" and "the same in every unit" in result.headline
    assert "the same in every unit" in judged(CLEAR, (None, 0.0, None)).headline


def test_without_a_margin_it_is_said_that_one_is_missing():
    assert "evaluation.margin" in judged((-0.1, 0.0, 0.1), CLEAR, margin=0.0).headline
    assert "evaluation.margin" not in judged((-0.1, 0.0, 0.1), CLEAR).headline


def test_what_a_chart_is_called_cannot_leave_its_attribute():
    with canvas(1, 1) as (figure, _):
        text = inline(figure, "chart", 'mm" onload="alert(1)')
    assert 'onload="' not in text and "&#34; onload=" in text


def test_a_student_that_was_not_measured_is_not_judged():
    scores = {"student": {"x": Score(None, None, None, 0, "", True)}}
    assert "not scored" in verdict(Outcome("x", scores, {}, {}, [])).headline


def test_the_verdict_knows_errors_and_biases():
    # Lower is better: a difference above the margin is a loss. A bias: the difference of the distances from zero.
    assert "worse" in judged((0.04, 0.05, 0.06), (-0.8, -0.7, -0.6), higher=False).headline
    assert judged((-0.01, 0.0, 0.01), (-0.8, -0.7, -0.6), higher=None).level == "good"


def test_the_difference_of_a_bias_is_called_one_of_distances():
    gap = JudgedDifference.of(Difference(21.0, 15.0, 27.0, 50, 50, quantity="distance from zero"), None, 2.0)
    scores = {
        model: {"x": Score(value, value - 5, value + 5, 50, "%", None, 50)}
        for model, value in (("student", -46.0), ("teacher", -25.0))
    }
    numbers = verdict(Outcome("x", scores, {}, {}, [], {"student-teacher": {"x": gap}})).numbers
    assert "Student minus teacher, paired: 21 (15 to 27)\u00a0% farther from zero; margin" in numbers


def test_the_verdict_asks_for_seeds_where_units_would_not_help():
    doubtful = Difference(-0.01, -0.06, 0.04, 50, 50, [-0.04, -0.01, 0.02], 0.03, 0.045)
    scores = {model: {"x": Score(0.9, 0.8, 1.0, 50, "", True, 50)} for model in ("student", "teacher")}
    differences = {"student-teacher": {"x": JudgedDifference.of(doubtful, True, 0.02)}}
    headline = verdict(Outcome("x", scores, {}, {}, [], differences)).headline
    assert headline.startswith("Cannot tell") and "more training seeds may tell" in headline


def test_the_verdict_warns_of_few_units():
    assert any("Only 6 independent units" in remark for remark in judged(CLEAR, CLEAR, units=6).remarks)
    assert judged(CLEAR, CLEAR).remarks == []


@pytest.mark.parametrize(
    ("score", "line"),
    [
        ((0.93412, 0.9211, 0.9472), "0.934 (0.921 to 0.947)"),
        ((-12.34, -15.1, -9.9), "\u221212.3 (\u221215.1 to \u22129.9)"),
        ((-0.001, -1.2, 1.3), "0.0 (\u22121.2 to 1.3)"),
        ((1.0, 1.0, 1.0), "1.000 (1.000 to 1.000)"),
        ((0.99812, 0.99811999, 0.99812001), "0.9981 (0.9981 to 0.9981)"),
        ((12345.6, 12000.0, 12600.0), "12,346 (12,000 to 12,600)"),
        ((5.9e-12, 4.52e-12, 8e-12), "5.9e\u221212 (4.5e\u221212 to 8.0e\u221212)"),
        ((-3e-7, -4.5e-6, 0.0), "\u22123.0e\u22127 (\u22124.5e\u22126 to 0)"),
        ((0.0, -0.0003, 0.0004), "0.00000 (\u22120.00030 to 0.00040)"),
        ((5.9e12, 4.52e12, 8e12), "5,900,000,000,000 (4,520,000,000,000 to 8,000,000,000,000)"),
        ((0.5, None, None), "0.500"),
        ((None, None, None), "–"),
    ],
)
def test_scores_are_written_as_exactly_as_they_are_known(score, line):
    assert format_score(Score(*score, 9, "", True)).line == line


def test_numbers_are_written_for_people():
    assert [format_count(x) for x in (0, 950, 195_123, 999_600, 11_002_345, None)] == [
        "0", "950", "195\u00a0k", "1\u00a0M", "11\u00a0M", "–",
    ]  # fmt: skip
    assert [format_significant(x, 2) for x in (310.4, 5.62, 0.0031, 0.0, None)] == ["310", "5.6", "0.0031", "0", "–"]
    assert [format_significant(x, 1) for x in (1e-4, 1e-5, 2e-12)] == ["0.0001", "1e\u22125", "2e\u221212"]
    assert [common_format([2e-9, 5e-8])(x) for x in (2e-9, 0.0, None)] == ["2.00e\u22129", "0", "–"]
    assert [common_format([0.8, 1.0, 1.0, None])(x) for x in (0.81234, 0.0556, 1.0, -0.5, None)] == [
        "0.812", "0.056", "1.000", "\u22120.500", "–",
    ]  # fmt: skip
    assert [format_duration(x) for x in (0.84, 41.2, 130, 11_100)] == [
        "0.8\u00a0s", "41\u00a0s", "2\u00a0min 10\u00a0s", "3\u00a0h 5\u00a0min",
    ]  # fmt: skip
