"""Images or clips that lie in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kdkit import (
    ComponentOptions,
    DataError,
    Defect,
    Field,
    Generator,
    InputFolder,
    Progress,
    Sample,
    file_digests,
    fingerprint_of,
)

SUFFIXES = {
    "images": (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"),
    "clips": (".avi", ".mp4", ".mov", ".mkv", ".webm", ".gif"),
}


class Folder(Generator):
    """The images or clips of a folder, in the order of their names: recordings, or another generator's output.

    Images: uint8 (H, W), or (H, W, 3) in RGB. Clips: uint8 (T, H, W) or (T, H, W, 3); they need
    ``kdkit-generators[clips]``. Every file is opened once before samples are made of any: those that cannot be used
    are left out, and reported with the reason. A file counts in the fingerprint by its name and content.
    """

    synthetic = False

    class Options(ComponentOptions):
        path: InputFolder = Field(description="The folder.")
        pattern: str = Field("**/*", min_length=1, description="Which files of it, as a glob; of those, by kind.")
        kind: Literal["images", "clips"] = Field("images", description="What the files hold.")
        colour: Literal["gray", "rgb"] = Field("rgb", description="One channel without an axis of its own, or three.")
        size: tuple[int, int] | None = Field(
            None, description="Height and width that every file is scaled to; null keeps each as it is."
        )
        frames: int | None = Field(
            None, ge=1, description="Frames of a clip, from its start; shorter ones are left out. null takes all."
        )

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """Three images of random colours."""
        from PIL import Image

        for number in range(3):
            image = np.random.default_rng(number).integers(0, 256, (8, 9, 3), dtype=np.uint8)
            Image.fromarray(image).save(folder / f"{number}.png")
        return {"path": folder}

    def read_files(self, progress: Progress) -> None:
        """Read every file that was not read before, in parallel."""
        self._digests(self._paths, progress)

    def fingerprint(self) -> str:
        files = [[self._name(path), digest] for path, digest in self._digests(self._paths).items()]
        options = self.options_without([self.options.path])
        return fingerprint_of(**self.identity(), seed=self.seed, options=options, files=files)

    def count(self) -> int:
        """Raises :class:`kdkit.DataError` when no file can be used."""
        if not self._paths:
            suffixes = ", ".join(SUFFIXES[self.options.kind])
            raise DataError(
                f"{self.options.path} holds no {self.options.kind} that match {self.options.pattern}",
                f"Correct path or pattern; the names of {self.options.kind} end with {suffixes}.",
            )
        usable = self._usable_and_defects[0]
        if not usable:
            first = self._usable_and_defects[1][0]
            raise DataError(
                f"none of the {len(self._paths)} {self.options.kind} in {self.options.path} can be used",
                f"The first one, {first.name}: {first.detail}.",
            )
        return len(usable)

    def units(self) -> Sequence[str]:
        """A digest of each file: copies of one file are one unit."""
        return list(self._digests(self._usable_and_defects[0]).values())

    def exclusions(self) -> Sequence[Defect]:
        return self._usable_and_defects[1]

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        from kdkit_generators.files import read

        count = self.count()
        for index in indices:
            if not 0 <= index < count:
                raise DataError(f"{self.options.path} holds {count} {self.options.kind}; there is no number {index}")
            path = self._usable_and_defects[0][index]
            yield Sample(read(path, self.options), info={"name": self._name(path)})

    @cached_property
    def _paths(self) -> list[Path]:
        suffixes = SUFFIXES[self.options.kind]
        try:
            matches = sorted(self.options.path.glob(self.options.pattern))
        except (ValueError, NotImplementedError) as error:  # an absolute pattern, say
            raise DataError(f"{self.options.pattern!r} is no pattern of files: {error}") from error
        # macOS leaves ._picture.png beside picture.png.
        visible = (path for path in matches if not any(part.startswith(".") for part in self._name(path).split("/")))
        return [path for path in visible if path.suffix.lower() in suffixes and path.is_file()]

    @cached_property
    def _usable_and_defects(self) -> tuple[list[Path], list[Defect]]:
        """The files that can be used, and what is wrong with the others."""
        from kdkit_generators.files import fault

        usable, defects = [], []
        for path in self._paths:
            reason = fault(path, self.options)
            if reason is None:
                usable.append(path)
            else:
                defects.append(Defect(reason[0], self._name(path), reason[1], dropped=True))
        return usable, defects

    def _digests(self, paths: Sequence[Path], progress: Progress | None = None) -> dict[Path, str]:
        return dict(zip(paths, file_digests(self.options.path, paths, progress), strict=True))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.options.path).as_posix()
