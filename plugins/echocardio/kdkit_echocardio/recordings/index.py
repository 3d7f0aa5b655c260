"""Matching the rows of an index with the videos of a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from kdkit import Defect

from .table import Row, missing_file_defect, read_table, stem, videos_in

_SPLITS = {"TRAIN": "train", "VAL": "val", "TEST": "test"}


def indexed_videos(
    index: Path, columns: Iterable[str], folder: Path, defects: list[Defect], prefix: str = ""
) -> Iterator[tuple[Row, Path]]:
    """Each row of an index with its video, in the order of the index.

    Names are the file names without suffix after ``prefix``. What does not match is appended to ``defects``: rows
    without a video, rows that repeat a name, videos without a row. Raises :class:`kdkit.DataError` when the index or
    the folder cannot be read, or the index lacks one of ``columns``.
    """
    videos = videos_in(folder)
    first_rows: dict[str, int] = {}
    for number, values in enumerate(read_table(index, columns).to_dict("records"), 2):
        row = {str(column): str(value) for column, value in values.items()}
        file = stem(row["FileName"])
        if file is None:
            detail = f"FileName is {row['FileName']!r:.60}"
            defects.append(Defect("unparsable-value", f"{prefix}row {number}", detail, True))
        elif file in first_rows:
            detail = f"in rows {first_rows[file]} and {number} of {index.name}; the first counts"
            defects.append(Defect("duplicate-name", prefix + file, detail, False))
        else:
            first_rows[file] = number
            candidates = videos.get(file, [])
            whole = [video for video in candidates if not missing_file_defect(prefix + file, video)]
            # Of several the first that is not empty; without one, what is wrong with the first is told.
            first = next(iter(whole or candidates), None)
            if first and len(candidates) > 1:
                defects.append(several_candidates(prefix + file, candidates, first))
            file_defect = missing_file_defect(prefix + file, first)
            if file_defect:
                defects.append(file_defect)
            elif first:
                yield Row(prefix + file, row, defects), first
    defects += [
        Defect(
            "not-in-index", prefix + file, f"{' and '.join(v.name for v in videos[file])}: not in {index.name}", True
        )
        for file in sorted(set(videos) - set(first_rows))
    ]


def several_candidates(name: str, candidates: Iterable[Path], read: Path) -> Defect:
    """The defect that names the files or folders with a claim to one place, and the one that is read."""
    rest = ", ".join(path.name for path in candidates if path != read)
    return Defect("two-candidates", name, f"read: {read.name}; not read: {rest}", False)


def split_of(row: Row) -> str | None:
    """ "train", "val" or "test" for TRAIN, VAL and TEST; other words in lower case."""
    text = row.text("Split")
    return _SPLITS.get(text.upper(), text.lower()) if text else None
