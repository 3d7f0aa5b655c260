"""Generators of clips that lie in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kdkit import (
    ComponentOptions,
    DataError,
    Defect,
    Field,
    Generator,
    InputFolder,
    Progress,
    Sample,
    Silence,
    file_digest,
    fingerprint_of,
)

if TYPE_CHECKING:
    from .recordings import Study
    from .recordings.memory import FolderMemory
    from .recordings.sample import Tracings

_SPLIT = "Only recordings of this part: train, val, test, or a fold; all without it."
_FRAMES = (
    "Longest part that is taken of a recording, in frames: around its labelled ones. All of it without a number."
)


_OUTLINED_LAYOUTS = ("echonet-dynamic", "echonet-pediatric")


class Recordings(Generator):
    """Recordings of a folder, fitted to the network's square: uint8 (T, 112, 112), grey, 0..255.

    Reads every layout of ``kdkit_echocardio.recordings.open_study``. All recordings that the options select are
    decoded once before the first sample, and damaged ones are left out; what that showed is remembered in the user's
    cache folder.

    ``truth``, as far as there is one: ``mask`` uint8 0/1 (N, 112, 112), one for each human contour, and
    ``mask_frames`` int64 (N,), the frames they belong to, a frame several times where several people drew it; ``ed``
    and ``es`` int64 (1,); ``ejection_fraction`` float64 (), percent.
    ``info``: ``name``, ``patient``, ``view``, ``split``; ``tracings``, how outlines became masks; ``fps`` (frames per
    second) and ``spacing_mm`` (millimetres per pixel of the 112 x 112 clip), None where unknown; ``square``, where
    the clip was cut out, as ``kdkit_echocardio.clips.Square``; ``flags``, what is doubtful about the clip, words of
    ``kdkit_echocardio.flags.FLAGS`` separated by blanks; and what else the folder says (``image_quality``, ``sex``,
    ``age``).

    The fingerprint covers the name and content of every file in the folder, hidden ones apart; not where it lies.
    """

    synthetic = False

    class Options(ComponentOptions):
        """Which recordings."""

        path: InputFolder = Field(
            description="Folder of the recordings: EchoNet-Dynamic's with FileList.csv, VolumeTracings.csv and "
            "Videos, CAMUS, nnU-Net's form, DICOM cines, video files."
        )
        layout: Literal[
            "auto", "echonet-dynamic", "echonet-pediatric", "echonet-synthetic", "camus", "nnunet", "dicom", "clips"
        ] = Field("auto", description="How the folder is laid out; auto looks at it.")
        split: str | None = Field(None, coerce_numbers_to_str=True, description=_SPLIT)
        view: Literal["A4C", "A2C", "PSAX"] = Field(
            "A4C", description="Only this view, and recordings without a view."
        )
        frames: int | None = Field(None, ge=2, description=_FRAMES)
        tracings: Literal["echonet", "exact"] = Field(
            "echonet",
            description="How outlines of points become masks: as EchoNet's own code draws them, 2 to 6 % larger and "
            "comparable with its published figures, or exactly.",
        )

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """A folder of three simulated clips."""
        _write_clips(folder, [f"clip{number}" for number in range(3)])
        return {"path": folder}

    def __init__(self, options: ComponentOptions | None = None, seed: int = 0) -> None:
        super().__init__(options, seed)
        # Kept so that worker processes, which receive them with the generator, need not look at everything again.
        self._names: tuple[str, ...] = ()
        self._state = ""
        self._contents: list[str] = []
        self._is_unchecked = False

    def prepare(self, progress: Progress) -> None:
        """Decode what was not decoded before, in parallel."""
        if not (self._names or self._is_unchecked):
            self._study(progress)

    def unchecked(self) -> Recordings:
        """The same recordings, none decoded before its turn comes."""
        source = type(self)(self.options, self.seed)
        source._is_unchecked = True
        return source

    def count(self) -> int:
        """How many recordings the options choose. Raises :class:`kdkit.DataError` when there is none."""
        return len(self._recording_names())

    def has_truth(self) -> bool:
        """Whether any recording that the options choose has a label."""
        return any(recording.labels.has_truth() for recording in self._study().recordings)

    def exclusions(self) -> Sequence[Defect]:
        """What is wrong with recordings of the folder, whether they are left out for it or not."""
        return self._study().defects

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        """Yield the recordings with these indices, in the order of the folder's index."""
        from .recordings.inspection import load_usable
        from .recordings.sample import sample_of
        from .recordings.selection import recordings_by_name

        for index in indices:
            names = self._recording_names()
            if not 0 <= index < len(names):
                raise DataError(f"{self.options.path} holds {len(names)} such recordings, so there is no {index}")
            recording = recordings_by_name(self._memory())[self.name(names, index)]
            if self._is_unchecked:
                recording = load_usable(recording)
            yield sample_of(recording, self.options.frames, self.tracings())

    def units(self) -> Sequence[str]:
        """The patient of each recording; where the source names none, a digest of its file: copies are one unit."""
        study = self._study()
        digests = self._memory().digests()
        recordings = {recording.name: recording for recording in study.recordings}
        return [
            recording.patient
            if recording.patient != recording.name
            else digests.get(recording.name) or file_digest(recording.path)
            for recording in (recordings[name] for name in self._recording_names())
        ]

    def read_files(self, progress: Progress) -> None:
        """Read every file of the folder that was not read before, in parallel."""
        from .recordings.selection import contents_of

        self._contents = self._contents or contents_of(self.options.path, progress)

    def fingerprint(self) -> str:
        """As inherited, with what is in the folder in place of where it lies."""
        self.read_files(Silence())
        options = self.options_without([self.options.path])
        return fingerprint_of(**self.identity(), seed=self.seed, options=options, contents=self._contents)

    def remark(self) -> str:
        """How outlines became masks, where the folder has outlines."""
        try:
            layout = self._memory().study().layout
        except DataError:  # the folder need not be there any more
            return ""
        if layout not in _OUTLINED_LAYOUTS:
            return ""
        return "with exact masks" if self.tracings() == "exact" else "with masks drawn as EchoNet's own code does"

    def layout(self) -> str:
        """The layout of the folder."""
        return str(self.options.layout)

    def view(self) -> str | None:
        """The view that is taken, None for every one."""
        return str(self.options.view)

    def tracings(self) -> Tracings:
        """How outlines become masks."""
        choice: Tracings = self.options.tracings
        return choice

    def name(self, names: Sequence[str], index: int) -> str:
        """The recording of an index."""
        return names[index]

    def _recording_names(self) -> Sequence[str]:
        if not self._names:
            self._names = tuple(recording.name for recording in self._study().recordings)
        return self._names

    def _study(self, progress: Progress | None = None) -> Study:
        from .recordings.selection import choose_recordings, select_recordings

        if self._is_unchecked:
            return choose_recordings(self._memory(), self.options.split, self.view())
        return select_recordings(self._memory(), self.options.split, self.view(), progress or Silence())

    def _memory(self) -> FolderMemory:
        from .recordings.memory import remember

        self._state = self._state or self._folder_state()
        return remember(self.options.path, self.layout(), self._state)

    def _folder_state(self) -> str:
        from .recordings.selection import state_of

        return state_of(self.options.path)


class EchoNetSynthetic(Recordings):
    """Clips of EchoNet-Synthetic's diffusion model from a folder, fitted: uint8 (T, 112, 112), grey, 0..255.

    Which clip an index means depends on the seed: the first hundred are a random hundred.

    ``truth``: ``ejection_fraction`` float64 (), percent, the condition given to the model. ``info`` and fingerprint:
    as of the generator ``recordings``.
    """

    synthetic = True

    class Options(ComponentOptions):
        """Which clips."""

        path: InputFolder = Field(
            description="Folder of EchoNet-Synthetic's dynamic clips, with FileList.csv and Videos."
        )
        split: str | None = Field(None, coerce_numbers_to_str=True, description=_SPLIT)
        frames: int | None = Field(None, ge=2, description=_FRAMES)

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """A folder of four simulated clips with an index."""
        names = [f"sample_{number:06d}" for number in range(4)]
        _write_clips(folder / "Videos", names)
        rows = "".join(f"{name},{50 + number},TRAIN\n" for number, name in enumerate(names))
        (folder / "FileList.csv").write_text(f"FileName,EF,Split\n{rows}", encoding="utf-8")
        return {"path": folder}

    def layout(self) -> str:
        return "echonet-synthetic"

    def view(self) -> str | None:
        return None

    def tracings(self) -> Tracings:
        return "echonet"

    def name(self, names: Sequence[str], index: int) -> str:
        return names[int(self.rng(0).permutation(len(names))[index])]


def _write_clips(folder: Path, names: Sequence[str]) -> None:
    """Simulated clips of a few frames, each another heart."""
    import numpy as np

    from .clips.encode import write_mp4
    from .phantom import simulate

    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        clip = simulate(np.random.default_rng(number), frames=8)
        write_mp4(folder / f"{name}.mp4", np.repeat(clip.frames[..., None], 3, axis=-1), clip.fps)
