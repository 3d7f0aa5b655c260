"""The domain of echocardiography."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from kdkit import (
    AlignedAxis,
    Case,
    ComponentOptions,
    Domain,
    Field,
    Figure,
    Generator,
    Inspection,
    KdkitError,
    Preview,
    Progress,
    Sample,
)

from .flags import FLAGS, join
from .published import PUBLISHED
from .suffixes import CLIP_SUFFIXES

# Shares of the frame that a left ventricle can take, from a small one in a deep view to one that fills the sector.
_LEAST_FOREGROUND, _MOST_FOREGROUND = 0.005, 0.6

STILL_FRAMES = 8
"""How often a still is repeated to make a clip of it."""

_EF = "ejection_fraction"


class Echocardio(Domain):
    """The left ventricle in apical four-chamber clips: uint8 (T, 112, 112), grey, to its mask (T, 112, 112).

    Reads video files, animated GIFs, DICOM cines and NIfTI files of any size: the ultrasound sector is found, cut
    out as a square and resized.
    """

    class Options(ComponentOptions):
        """What is written for each predicted file."""

        masks: Literal["npz", "nifti", "dicom-seg", "none"] = Field(
            "npz",
            description="Probabilities of every frame (npz), masks for medical viewers (nifti), or for archives of "
            "DICOM (dicom-seg, of DICOM cines only).",
        )
        bits: Literal[8, 16] = Field(8, description="Of each probability in npz.")
        overlay: Literal["mp4", "gif", "none"] = Field(
            "mp4", description="A moving picture of the clip with the mask over it."
        )

    incidental = frozenset({"masks", "bits", "overlay"})
    activation = "sigmoid"
    aligned_axes = (AlignedAxis(),)  # the frames
    item = "frame"
    input_suffixes = (*CLIP_SUFFIXES, ".dcm", ".dicom", ".nii", ".nii.gz")
    flags = FLAGS
    columns = MappingProxyType(
        {
            "area_ef": "area change (%)",
            "discs_ef": "EF, discs (%)",
            "ef_note": "no EF",
            "heart_rate": "heart rate (/min)",
            "beats": "beats",
            "frames": "frames",
            "fps": "frames/s",
        }
    )
    # The sixteen students of EchoDFKD.
    sweep: ClassVar[Mapping[str, Sequence[Any]]] = {
        "student.variant": ("paper",),
        "student.blocks": (1, 2, 3, 4),
        "student.layers": (1, 2, 3, 4),
    }
    published = PUBLISHED
    # Overlaps of two people on one frame differ by more than 0.02; distances in mm, ejection fractions in points.
    margins = MappingProxyType(
        {
            **dict.fromkeys(("dice", "dice-ed", "dice-es", "dice-pooled"), 0.02),
            "iou": 0.03,
            "ef-area-mae": 2.0,
            "ef-discs-mae": 2.0,
            "hd95": 1.0,
            "msd": 0.5,
            "afd": 1.0,
        }
    )
    intended_use = (
        "Research on the left ventricle in apical four-chamber ultrasound clips of adults: its outline in every "
        "frame, beats, and ejection fractions as a rough measure."
    )
    failure_modes = (
        "Apex at end-systole: where the trabeculae close, the mask may reach too far towards the probe.",
        "Open mitral valve: bright leaflet tips may be taken for the annulus, and the mask then ends on them.",
        "Dark or off-axis views: masks are a guess, and a second patch may appear in the right ventricle.",
        "Ejection fractions from masks of single frames scatter widely; they do not replace a measurement.",
    )
    untested = (
        "Other views than the apical four-chamber one, children, transplanted or congenitally malformed hearts.",
        "Contrast agents, transoesophageal and three-dimensional ultrasound.",
        "Use beside a patient, and any decision about one.",
    )
    data_metrics = ("dice", "iou", "hd95-mm", "area-error", "area-bias", "ef-area-r", "ef-area-mae", "afd")

    def items(self, sample: Sample) -> int:
        """The number of frames."""
        return len(sample.inputs)

    def recognises(self, path: Path) -> bool:
        """Whether a file has a suffix of clips, or begins as a video, an animation, a DICOM or a NIfTI file."""
        from .clips.read import is_clip

        return super().recognises(path) or is_clip(path)

    def read(self, path: Path) -> Sample:
        """The clip in a file as uint8 (T, 112, 112).

        ``info``: ``name``; ``fps`` (frames per second) and ``spacing_mm`` (millimetres per pixel of the 112 x 112
        clip), None where unknown; ``square``, where the clip was cut out, as
        :class:`kdkit_echocardio.clips.Square`; ``flags``, words of ``Echocardio.flags`` for what is doubtful,
        separated by blanks. Raises :class:`kdkit.DataError` when the file is unreadable, empty, truncated or no clip.
        """
        from .clips import SIDE, fit
        from .clips.plausibility import find_flags
        from .results import read_once

        clip = read_once(path)
        frames, square = fit(clip)
        spacing = None if clip.spacing_mm is None else clip.spacing_mm * square.side / SIDE
        info = {
            "name": path.stem,
            "fps": clip.fps,
            "spacing_mm": spacing,
            "square": square.as_info(),
            "flags": join(find_flags(clip)),
        }
        return Sample(frames, info=info)

    def example_file(self, folder: Path) -> Path:
        """A simulated clip as ``example.mp4``."""
        from .clips.encode import write_mp4
        from .phantom import simulate

        clip = simulate(np.random.default_rng(0))
        path = folder / "example.mp4"
        write_mp4(path, np.repeat(clip.frames[..., None], 3, axis=-1), clip.fps)
        return path

    def write(self, path: Path, sample: Sample, prediction: np.ndarray, stem: Path) -> Mapping[str, Any]:
        """Write what the options ask for beside ``stem`` and return the clip's row.

        ``.npz``: ``probability`` uint8 or uint16 (T, H, W), 255 or 65,535 for 1, at the file's own frame size, 0
        outside what the network saw. ``.nii.gz``: the masks, uint8 0/1 (W, H, 1, T), with pixel size and frame time.
        ``.seg.dcm``: the masks as a DICOM Segmentation of the cine's frames. ``.mp4``, ``.gif``: the clip with the
        ventricle tinted and outlined, and its area curve.
        The row: ``frames``; ``fps``; ``ed_frame``, the ED frame with the largest area, and ``es_frame``, the ES frame
        that follows it, or, in a clip that ends before, the last one; ``beats``, the number of such pairs;
        ``area_ef``, the fractional area change, and ``discs_ef``, the ejection fraction of volumes by the method of
        discs, percent, from the mean sizes at all ED and all ES frames, each with its 95 % interval, ``_low`` and
        ``_high``. The former is smaller, by about a third at normal function. Where beats or contours allow none they
        are None, and ``ef_note`` says why (:func:`kdkit_echocardio.ejection.measure_ejection`); without a beat
        ``beats`` is 0. Where the file has no frame rate, 30 frames per second are assumed for finding beats, and
        ``fps`` is None. ``heart_rate``: beats per minute, where the frame rate and two events of one kind are known.
        ``doubt``: how much there is to doubt, 0..1, an order to look at files in. ``flags``: those of the sample, and
        of the prediction; where the sample's say that nothing beats in the clip, there are no ejection fractions.
        Raises :class:`kdkit.KdkitError` when the files cannot be written, and :class:`kdkit.DataError` when no DICOM
        segmentation can refer to this one.
        """
        from .results import write_results

        options = self.options
        return write_results(path, sample, prediction, stem, options.masks, options.overlay, options.bits)

    def preview(self, sample: Sample, prediction: np.ndarray, row: Mapping[str, Any]) -> Preview:
        """The ED and the ES frame with the predicted outline, and the area curve."""
        from .preview import preview

        return preview(sample, prediction, row)

    def check_teacher(self, samples: Sequence[Sample], predictions: Sequence[np.ndarray]) -> str:
        """The DICE, where there are true masks, and the share of foreground.

        Raises :class:`kdkit.KdkitError` when the foreground is an implausible share of the frames.
        """
        from .geometry import binarize

        masks = [binarize(prediction) for prediction in predictions]
        share = float(np.mean([mask.mean() for mask in masks]))
        if not _LEAST_FOREGROUND <= share <= _MOST_FOREGROUND:
            raise KdkitError(
                f"the teacher calls {share:.1%} of the frames left ventricle; a plausible share is "
                f"{_LEAST_FOREGROUND:.1%} to {_MOST_FOREGROUND:.0%}",
                "Check its weights, its foreground channel, and that it was trained on such clips.",
            )
        scores = [score for sample, mask in zip(samples, masks, strict=True) for score in _dice(sample, mask)]
        foreground = f"foreground {100 * share:.0f} %"
        return f"DICE {np.mean(scores):.2f} on {len(scores)} clips, {foreground}" if scores else foreground

    def check_data(self, path: Path, layout: str, progress: Progress) -> Inspection:
        """What is in a folder of recordings, every one of them decoded once.

        ``layout``: one of :func:`kdkit_echocardio.recordings.open_study`'s, or "auto". Raises
        :class:`kdkit.DataError` when the folder is of none.
        """
        from .inspection import inspection

        return inspection(path, layout, progress)

    def source(self, path: Path, layout: str, split: str | None) -> Generator:
        """The apical four-chamber recordings in a folder as clips of 112 x 112, human labels as their truth."""
        from .recorded import Recordings
        from .recordings.memory import remember
        from .recordings.selection import state_of

        remember(path, layout, state_of(path)).study()  # says what is wrong with the folder or the layout
        return Recordings(Recordings.Options.model_validate({"path": path, "layout": layout, "split": split}))

    def example_data(self, folder: Path) -> Path:
        """Four simulated clips in EchoNet-Dynamic's layout, one of them cut off."""
        from .example_data import write_echonet

        return write_echonet(folder)

    def predict(self, sample: Sample, infer: Callable[[Sequence[np.ndarray]], list[np.ndarray]]) -> np.ndarray:
        """A network's prediction on a recording: clips as they are, and each of two stills as a separate clip.

        End-diastole and end-systole alone are not a moving clip: a network with a memory would carry the one over
        into the other. Each is repeated until the memory has settled, and the last frame's prediction counts.
        """
        from .events import is_stills

        if not is_stills(sample):
            return infer([sample.inputs])[0]
        repeated = [np.repeat(still[None], STILL_FRAMES, axis=0) for still in sample.inputs]
        return np.stack([prediction[-1] for prediction in infer(repeated)])

    def target_from_truth(self, sample: Sample) -> np.ndarray | None:
        """The true masks, float32 (frames, height, width), where every frame has one, as in a simulated clip."""
        frames = np.arange(len(sample.inputs))
        if "mask" not in sample.truth or not np.array_equal(sample.truth["mask_frames"], frames):
            return None
        return np.asarray(sample.truth["mask"], np.float32)

    def strata(self, sample: Sample) -> Mapping[str, Sample]:
        """End-diastole, end-systole, and the image quality where the source notes one.

        In the groups of one phase a sample has only that phase's frames as truth, and no ejection fraction.
        """
        groups = {
            name: replace(sample, truth={k: v for k, v in sample.truth.items() if k not in (other, _EF)})
            for name, event, other in (("ED", "ed", "es"), ("ES", "es", "ed"))
            if event in sample.truth
        }
        quality = sample.info.get("image_quality")
        return groups | ({f"quality {str(quality).lower()}": sample} if quality else {})

    def sheet(self, samples: Sequence[Sample]) -> np.ndarray:
        """End-diastole and end-systole of each clip, plain and with the true contour: uint8 RGB (H, W, 3)."""
        from .sheet import contact_sheet

        return contact_sheet(samples)

    def figures(self, cases: Sequence[Case]) -> Iterator[Figure]:
        """For each case its ED and ES frames, area curves and beats; for the median one also a short animation.

        Where several people annotated a frame, also what each of them drew.
        """
        from .figures import figures

        yield from figures(cases)

    def overview(self, cases: Iterable[Case]) -> Iterator[Figure]:
        """Of teacher and student the border's errors by wall, and predicted against true ejection fractions."""
        from .bland_altman import EjectionAgreement
        from .wall_map import WallMap

        walls, ejection = WallMap(), EjectionAgreement()
        for case in cases:
            walls.add(case)
            ejection.add(case)
        yield from walls.figures()
        yield from ejection.figures()


def _dice(sample: Sample, mask: np.ndarray) -> list[float]:
    """The DICE of one clip over its frames with a true mask; empty without any."""
    if "mask" not in sample.truth:
        return []
    true = np.asarray(sample.truth["mask"]).astype(bool)
    predicted = mask[np.asarray(sample.truth["mask_frames"])]
    total = int(predicted.sum() + true.sum())
    return [2.0 * int((predicted & true).sum()) / total] if total else []
