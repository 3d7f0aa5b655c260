"""The pages in a real browser: complete, without an error, readable on a phone and at night."""

from __future__ import annotations

import types
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, View, look
from kdkit_echocardio.domain import Echocardio
from kdkit_echocardio.figures import figures
from kdkit_echocardio.metrics.overlap import Dice

from kdkit import Case, Published
from kdkit.contracts.metric import Score
from kdkit.evaluation.comparison import compare
from kdkit.pages.comparison import page as compare_html
from kdkit.pages.sweep import page as sweep_html
from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.stages import report
from kdkit.stages.pipeline import run_stages
from kdkit.sweep.plan import plan
from kdkit.sweep.results import Result, summarize

TOY = Path(__file__).parents[2] / "toy"
PHONE, DESK = 390, 1200

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium on the path (Debian: apt install chromium)"
)


def heart(rank: str, number: int = 0) -> Case:
    """A beating ball and three models' answers to it."""
    prediction, sample = Dice().example_cases()[number]
    noise = np.random.default_rng(0).random(prediction.shape).astype(np.float32)
    return Case(rank, 0.9, sample, {"teacher": prediction, "student": prediction, "control": noise})


def hearts_together() -> list:
    """What echocardiography draws of four hearts together."""
    return list(Echocardio().overview(heart("", number) for number in range(4)))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(TOY))
        yield tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def run(home, toy_run):
    """A run of the toy domain whose pictures are those of echocardiography."""
    made = toy_run(home, "samples.train=6", "samples.evaluation=4")
    run_stages(made, last="evaluate")
    with pytest.MonkeyPatch.context() as patched:
        domain = type(made.experiment.domain)
        patched.setattr(domain, "figures", lambda self, cases: figures([heart(case.rank) for case in cases]))
        patched.setattr(domain, "overview", lambda self, cases: hearts_together())
        report.execute(made)
        yield made


@pytest.fixture(scope="module")
def compare_page(home, run, toy_run):
    other = toy_run(home, "samples.train=6", "samples.evaluation=4", "training.learning_rate=0.01")
    run_stages(other, last="evaluate")
    page = home / "compare.html"
    page.write_text(compare_html(compare([run, other], Silence())))
    return page


@pytest.fixture(scope="module")
def sweep_page(home):
    """Six points, one failed, one that has yet to run; their scores rise with their size."""
    sweep = plan(discover({}), "toy", ["student.gain=1,2,3,4,5,6,7"])
    results = []
    for number, point in enumerate(sweep.points):
        size, value = 5000 * 3**number, 0.95 - 0.5 * 2.0**-number
        facts = {"weights": size, "bytes": 4 * size, "items_per_second": 1e6 / size, "peak_memory_bytes": 8.0 * size}
        results.append(Result(point, "", {"overlap": Score(value, value - 0.02, value + 0.01, 6, "", True)}, facts))
    nothing = dict.fromkeys(facts)
    results[4] = Result(results[4].point, "its process was killed, perhaps for lack of memory", {}, nothing)
    results[6] = Result(results[6].point, "", {}, nothing)
    with pytest.MonkeyPatch.context() as patched:
        shown = [Published("Elsewhere", 5000, "overlap", 0.75, "From a paper.")]
        patched.setattr(type(sweep.points[0].experiment.domain), "published", shown)
        page = home / "sweep.html"
        page.write_text(sweep_html(summarize(sweep, results, 2)))
    return page


@pytest.fixture(scope="module")
def data_page(tmp_path_factory, run):
    """The page of ``kdkit evaluate --data --out``."""
    from kdkit.evaluation.prediction_cache import PredictionCache
    from kdkit.evaluation.scoring import score_models
    from kdkit.evaluation.worst import draw_worst, worst_rows
    from kdkit.pages.data import write_outcome
    from kdkit.progress import Silence
    from kdkit.recipe.schema import Hardware

    folder = tmp_path_factory.mktemp("data-page")
    experiment = run.experiment
    networks = {"teacher": experiment.teacher.build(), "student": experiment.student.build()}
    source = type(experiment.generator)(experiment.generator.options)
    source.count = types.MethodType(lambda self: 3, source)
    hardware = Hardware(accelerator="cpu", devices=1)
    fingerprints = {model: model for model in networks}
    cache = PredictionCache(folder / "predictions", fingerprints, experiment.domain.activation)
    result = score_models(
        networks, experiment.domain, source, experiment.metrics, hardware, 0, cache, Silence(), True
    )
    first = next(iter(experiment.metrics))
    rows = worst_rows(result, "student", first, True)
    with Silence().work("report", "", len(rows), "samples") as bar:
        worst = list(draw_worst(cache, experiment.domain, source, rows, first, bar))
    facts = {
        "domain": "toy",
        "data": "d",
        "split": None,
        "left_out": "",
        "unknown": "",
        "remark": "",
        "options": {"path": "d"},
    }
    facts |= {"models": {"teacher": "a", "student": "b"}}
    write_outcome(folder, facts, result, experiment.metrics, worst)
    return folder / "report.html"


@pytest.fixture(scope="module")
def report_page(run):
    return run.folder.report_file


# How many pictures and charts each has at least.
PAGES = {"report_page": (13, 2), "data_page": (7, 0), "compare_page": (0, 0), "sweep_page": (0, 3)}


VIEWS = [(name, width) for name in PAGES for width in (PHONE, DESK)]


@pytest.fixture(scope="module", params=[False, True], ids=["day", "night"])
def seen(request, tmp_path_factory):
    """Every page in both widths, opened in one browser: {(page, width): what is seen}, and whether it is night."""
    views = [View(request.getfixturevalue(name), width) for name, width in VIEWS]
    shown = look(views, request.param, tmp_path_factory.mktemp("seen"))
    return dict(zip(VIEWS, shown, strict=True)), request.param


@pytest.mark.parametrize(("name", "width"), VIEWS)
def test_a_page_is_whole_and_readable(seen, name, width):
    every, dark = seen
    seen, (images, charts) = every[name, width], PAGES[name]
    assert (seen.width, seen.dark) == (width, dark)
    assert seen.console == []
    assert seen.scroll <= width, "the page scrolls sideways"
    assert len(seen.images) >= images
    assert len(seen.charts) >= charts and all(0 < shown <= width for shown in seen.charts), seen.charts
    assert all(image["width"] > 0 and 0 < image["shown"] <= width for image in seen.images), seen.images
    assert seen.tables and all(len(set(rows)) == 1 and rows for rows in seen.tables), seen.tables
    assert len(seen.texts) > 20
    assert [text for text in seen.texts if text["ratio"] < text["need"]] == []


def test_a_page_without_its_pictures_is_noticed(run, tmp_path):
    """What the test above relies on: a broken picture, a wide page and grey on grey are seen as such."""
    broken = tmp_path / "broken.html"
    broken.write_text(
        '<body style="background:#fff"><img src="data:image/png;base64,AA" alt="">'
        '<p style="width:900px;color:#999">faint</p>'
    )
    (seen,) = look([View(broken, PHONE)], False, tmp_path)
    assert seen.images[0]["width"] == 0
    assert seen.scroll > PHONE
    assert seen.texts[0]["ratio"] == pytest.approx(2.85, abs=0.01)  # 1.05 / (0.3185 + 0.05), by hand


@pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
def test_the_letters_of_the_charts_are_readable(dark, tmp_path):
    """They bring a ground of their own, white by day and dark by night."""
    page = tmp_path / "curve.html"
    every = [*figures([heart("best")]), *hearts_together()]
    drawn = [figure.data.decode() for figure in every if "svg" in figure.media_type]
    page.write_text("<body>" + "".join(chart[chart.index("<svg") :] for chart in drawn))
    (seen,) = look([View(page, DESK)], dark, tmp_path)
    words = {"time (s)", "student", "LV area (cm²)", "ED", "predicted (%)", "predicted − true (points)"}
    assert words <= {text["text"] for text in seen.texts}
    assert [text for text in seen.texts if text["ratio"] < text["need"]] == []
