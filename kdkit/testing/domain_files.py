"""The promises of a domain about a user's files and folders of data."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from kdkit.contracts.domain import Domain
from kdkit.contracts.vocabulary import Preview, dropped_kinds
from kdkit.errors import DataError
from kdkit.progress import Silence
from kdkit.sample import Sample
from kdkit.testing.domain_examples import DomainExamples, is_picture
from kdkit.testing.promise import attempt, does_not_apply, one_line, require


class DomainFiles(DomainExamples):
    """What is read, what is refused, and what is written."""

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
            _require_refusal(
                partial(self.component().read, path),
                f"a damaged {suffix} file",
                "is read as if it were whole",
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
            not ragged and all(map(is_picture, inspection.pictures)),
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
            _require_refusal(
                partial(self.component().source, path, "auto", None),
                f"a folder that is {name}",
                "is taken for data",
                "the command line prints a DataError as one clear message; anything else ends in a traceback",
                "Raise kdkit.DataError that names the folder and what was looked for.",
            )


def _require_refusal(read: Callable[[], Any], what: str, otherwise: str, why: str, remedy: str) -> None:
    """Broken unless reading raises :class:`DataError`; ``otherwise``: what happened if nothing is raised."""
    try:
        read()
    except DataError:
        return
    except Exception as error:
        otherwise = f"raises {one_line(error)}"
    require(False, f"{what} {otherwise}", why, remedy)


def _listing(folder: Path) -> list[tuple[str, int, int]]:
    """Every file with its size and the time of its last change."""
    paths = sorted(folder.rglob("*"))
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
