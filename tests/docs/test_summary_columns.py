"""Every column of the table of ``kdkit predict`` is explained on its page."""

import csv

import numpy as np
from kdkit_echocardio.domain import Echocardio
from source import DOCS

from kdkit.engine.prediction_log import FileResult, PredictionLog
from kdkit.progress import Silence


def test_the_page_names_every_column_that_is_written(tmp_path):
    domain = Echocardio(Echocardio.Options(masks="none", overlay="none"))
    clip = domain.example_file(tmp_path)
    sample = domain.read(clip)
    (tmp_path / "out").mkdir()
    row = domain.write(clip, sample, np.zeros(sample.inputs.shape, np.float32), tmp_path / "out" / "example")
    log = PredictionLog(tmp_path / "out", "key", [clip, tmp_path / "copy", tmp_path / "x"], Silence())
    log.add(FileResult(str(clip), "a", row=row, stem="example"))
    log.add(FileResult(str(tmp_path / "copy"), "a", row=row, stem="example", duplicate_of=str(clip)))
    log.add(FileResult(str(tmp_path / "x"), "b", skipped="empty"))
    log.write_summary()
    with (tmp_path / "out" / "summary.csv").open() as file:
        columns = next(csv.reader(file))
    assert {"file", "output", "heart_rate", "duplicate_of", "problem"} <= set(columns)
    page = (DOCS / "how-to" / "predict.md").read_text()
    table = page.split("## The table")[1].split("## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name.strip("` ") for cell in cells for name in cell.split(",")}
    assert set(columns) == named
