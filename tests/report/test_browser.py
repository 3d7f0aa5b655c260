"""The pages in a real browser: complete, without an error, readable on a phone and at night."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, look
from kdkit_echocardio.curves import area_figure
from kdkit_echocardio.figures import figures
from kdkit_echocardio.metrics.overlap import Dice

from kdkit import Case
from kdkit.stages import report
from kdkit.stages.pipeline import run_stages

TOY = Path(__file__).parents[1] / "toy"
PHONE, DESK = 390, 1200

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium on the path (Debian: apt install chromium)"
)


def heart(rank: str) -> Case:
    """A beating ball and three models' answers to it."""
    prediction, sample = Dice().example_cases()[0]
    noise = np.random.default_rng(0).random(prediction.shape).astype(np.float32)
    return Case(rank, 0.9, sample, {"teacher": prediction, "student": prediction, "control": noise})


@pytest.fixture(scope="module")
def run(tmp_path_factory, toy_run):
    """A run of the toy domain whose pictures are those of echocardiography."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(TOY))
        made = toy_run(tmp_path_factory.mktemp("browser"), "samples.train=6", "samples.evaluation=4")
        run_stages(made, last="evaluate")
        patched.setattr(
            type(made.experiment.domain), "figures", lambda self, cases: figures([heart(case.rank) for case in cases])
        )
        report.execute(made)
        yield made


@pytest.fixture(scope="module")
def data_page(tmp_path_factory, run):
    """The page of ``kdkit evaluate --data --out``."""
    from kdkit.measure.page import show_worst, worst_rows, write_outcome
    from kdkit.measure.scoring import measure
    from kdkit.progress import Silence
    from kdkit.recipe.schema import Hardware

    folder = tmp_path_factory.mktemp("data-page")
    experiment = run.experiment
    networks = {"teacher": experiment.teacher.build(), "student": experiment.student.build()}
    with Silence().work("evaluate", "", 3, "samples") as bar:
        source = type(experiment.generator)(experiment.generator.options)
        source.count = lambda: 3
        hardware = Hardware(accelerator="cpu", devices=1)
        measured = measure(
            networks, experiment.domain, source, experiment.metrics, hardware, 0, folder / "scratch", bar
        )
    first = next(iter(experiment.metrics))
    shown = show_worst(networks, experiment.domain, source, worst_rows(measured, "student", first, True), first)
    facts = {"domain": "toy", "data": "d", "split": None, "left_out": "", "models": {"teacher": "a", "student": "b"}}
    write_outcome(folder, facts, measured, experiment.metrics, shown)
    return folder / "report.html"


@pytest.fixture(scope="module", params=["report", "data"])
def page(request, run):
    return run.folder.report_file if request.param == "report" else request.getfixturevalue("data_page")


@pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_page_is_whole_and_readable(page, width, dark, tmp_path):
    seen = look(page, width, dark, tmp_path)
    assert (seen.width, seen.dark) == (width, dark)
    assert seen.console == []
    assert seen.scroll <= width, "the page scrolls sideways"
    assert len(seen.images) >= 3
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
    seen = look(broken, PHONE, False, tmp_path)
    assert seen.images[0]["width"] == 0
    assert seen.scroll > PHONE
    assert seen.texts[0]["ratio"] == pytest.approx(2.85, abs=0.01)  # 1.05 / (0.3185 + 0.05), by hand


@pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
def test_the_letters_of_the_area_curve_are_readable(dark, tmp_path):
    """The curve brings a ground of its own, white by day and dark by night."""
    page = tmp_path / "curve.html"
    drawn = area_figure(heart("best")).decode()
    page.write_text("<body>" + drawn[drawn.index("<svg") :])
    seen = look(page, DESK, dark, tmp_path)
    assert {"time (s)", "student"} <= {text["text"] for text in seen.texts}
    assert [text for text in seen.texts if text["ratio"] < text["need"]] == []
