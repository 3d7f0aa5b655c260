"""The recordings that a student was trained on, by which they are known again when it is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdkit.atomic import read_sealed, write_sealed
from kdkit.contracts.generator import Generator
from kdkit.plugins.calls import call
from kdkit.runs.folder import RunFolder
from kdkit.sample import Sample

# The key in a card's provenance: how many recordings took part in the training.
COUNT = "recordings"
# The key in the same place: whether any of its samples is a recording of the real thing.
REAL = "real_data"


@dataclass(frozen=True)
class Recordings:
    """Samples of one kind of source.

    ``source``: what tells kinds of sources apart, as units are named alike in those of one kind only. ``contents``:
    from :attr:`kdkit.Sample.content` to the name of the sample; ``units``: from a unit to the name of a sample of it.
    """

    source: str = ""
    contents: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    def add(self, sample: Sample) -> None:
        name = name_of(sample)
        self.contents.setdefault(sample.content, name)
        if sample.unit is not None:
            self.units.setdefault(sample.unit, name)

    def find_content(self, sample: Sample) -> str | None:
        """The name of the sample of this very recording, whatever it was read from, and whichever part was taken."""
        return self.contents.get(sample.content)

    def find_unit(self, sample: Sample, source: str) -> str | None:
        """The name of a sample of the same unit, in a source of the same kind."""
        return self.units.get(sample.unit) if sample.unit is not None and source == self.source else None

    def write(self, path: Path) -> None:
        """Raises :class:`kdkit.StoreError` where it cannot be written."""
        write_sealed(path, {"source": self.source, "contents": self.contents, "units": self.units})


def trained_recordings(student: Path, card: Mapping[str, Any]) -> Recordings | str | None:
    """Those that took part in the training of a student, by its folder and card.

    None where there were none; a sentence where there were, and which ones is not known.
    """
    count = card["provenance"].get(COUNT)
    if not count:
        return None
    path = RunFolder(student.parent).recordings_file
    match read_sealed(path):
        case {"source": str(source), "contents": dict(contents), "units": dict(units)}:
            return Recordings(source, contents, units)
    return (
        f"the student was trained on {count} recordings; whether these are among them cannot be told, as "
        f"{path.name} of its run is not there or damaged"
    )


def kind_of(source: Generator) -> str:
    """What sources have in common that name units alike."""
    return type(source).__qualname__


def holds_recordings(source: Generator) -> bool:
    """Whether the samples of a source could be those of another: it does not draw them without end."""
    return not source.synthetic or call(source.count) is not None


def name_of(sample: Sample) -> str:
    return str(sample.info.get("name", "a sample"))
