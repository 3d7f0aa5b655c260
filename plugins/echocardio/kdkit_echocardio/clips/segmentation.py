"""Masks as a DICOM Segmentation that refers to the cine they were drawn in.

Ultrasound cines (DICOM PS3.3, A.7.4) have no position in the patient. Their segmentation has none either: each of its
pixels is one of the frame that it names (PS3.3, A.51.5.1), and size and time are that frame's own.
"""

from __future__ import annotations

import datetime
import hashlib
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from kdkit import DataError

from .atomic import replacing
from .clip import Clip
from .dataset import begins_as_dicom, open_dataset
from .stored import declared_count

_DISTRIBUTION = "kdkit-echocardio"
# By the last number of a transfer syntax (PS3.6, A.1): the method of lossy compression (PS3.3, C.7.6.1.1.5.1).
_SYNTAXES = "1.2.840.10008.1.2.4."
_LOSSY = {
    **dict.fromkeys(("50", "51"), "ISO_10918_1"),  # JPEG
    "81": "ISO_14495_1",  # JPEG-LS
    "91": "ISO_15444_1",  # JPEG 2000
    **dict.fromkeys(("100", "101"), "ISO_13818_2"),  # MPEG-2
    **dict.fromkeys(("102", "103", "104", "105", "106"), "ISO_14496_10"),  # H.264
    **dict.fromkeys(("107", "108"), "ISO_23008_2"),  # HEVC
    "203": "ISO_15444_15",  # HTJ2K
}
_PATIENT_AND_STUDY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)
_OF_STUDY, _OF_SERIES, _OF_FILE = "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"


def write_segmentation(path: Path, masks: np.ndarray, clip: Clip, source: Path) -> None:
    """Write the masks of a cine's frames, bool (T, H, W), one frame for each that is stored in the ``source``.

    Identifiers are derived from those of the cine and from the masks: the same masks of the same cine are the same
    object. Raises :class:`kdkit.DataError` where the source is no DICOM file, or one that nothing can refer to, and
    :class:`kdkit.KdkitError` when the file cannot be written.
    """
    cine = _open_cine(source, masks.shape[1:])
    shown = np.arange(len(masks)) if clip.stored is None else clip.stored
    # A frame that was repeated is segmented once, and one that was left out not at all.
    stored, first = np.unique(shown, return_index=True)
    segmentation = _describe(cine, masks[first], stored + 1, source.stat().st_size)
    with replacing(path) as partial:
        segmentation.save_as(partial, enforce_file_format=True)


def _open_cine(source: Path, shape: tuple[int, ...]) -> Any:
    """The header of the cine. Raises :class:`kdkit.DataError` where a segmentation cannot refer to it."""
    with source.open("rb") as file:
        if not begins_as_dicom(file.read(132)):
            raise DataError(
                f"{source} is no DICOM file, and a DICOM segmentation can only refer to one",
                "Choose --masks nifti, or npz.",
            )
    cine = open_dataset(source, stop_before_pixels=True)
    for name in ("SOPClassUID", _OF_FILE):
        if not cine.get(name):
            setattr(cine, name, cine.file_meta.get(f"MediaStorage{name}") or "")
    missing = [name for name in ("SOPClassUID", _OF_FILE, _OF_SERIES, _OF_STUDY) if not cine.get(name)]
    if missing:
        raise DataError(
            f"{source} has no {', no '.join(missing)}, by which a DICOM segmentation could refer to it",
            "Export it again with its identifiers, or choose --masks nifti.",
        )
    if (cine.Rows, cine.Columns) != shape:
        raise DataError(
            f"{source} declares frames of {cine.Columns}x{cine.Rows} pixels and holds {shape[1]}x{shape[0]}: a DICOM "
            "segmentation could not say which of them it means",
            "Choose --masks nifti, or npz.",
        )
    return cine


def _describe(cine: Any, masks: np.ndarray, frames: np.ndarray, size: int) -> Any:
    """The data set: the Segmentation IOD of PS3.3, A.51. ``frames``: numbers in the cine, from 1."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

    seg = _new()
    seg.file_meta = FileMetaDataset()
    seg.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    seg.SOPClassUID = seg.file_meta.MediaStorageSOPClassUID = SegmentationStorage
    seg.SOPInstanceUID = seg.file_meta.MediaStorageSOPInstanceUID = _derive_uid(cine, "instance", masks.tobytes())
    seg.SeriesInstanceUID = _derive_uid(cine, "series", masks.tobytes())
    _add_patient_and_study(seg, cine)
    _add_equipment_and_content(seg)
    _add_compression(seg, cine, size)
    seg.SegmentSequence = [_segment()]
    _add_frames(seg, cine, frames)
    _add_pixels(seg, masks)
    return seg


def _add_patient_and_study(seg: Any, cine: Any) -> None:
    if "SpecificCharacterSet" in cine:
        seg.SpecificCharacterSet = cine.SpecificCharacterSet
    seg.StudyInstanceUID = cine.StudyInstanceUID
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as odd as the scanner wrote them
        for name in _PATIENT_AND_STUDY:
            setattr(seg, name, cine.get(name))


def _add_equipment_and_content(seg: Any) -> None:
    now = datetime.datetime.now()
    seg.ContentDate, seg.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    seg.SeriesDate, seg.SeriesTime = seg.ContentDate, seg.ContentTime
    seg.Modality, seg.SeriesNumber, seg.InstanceNumber = "SEG", "1", "1"
    seg.SeriesDescription = "Left ventricle, automatic"
    seg.Manufacturer, seg.ManufacturerModelName = "kdkit", _DISTRIBUTION
    seg.SoftwareVersions, seg.DeviceSerialNumber = version(_DISTRIBUTION), "none"
    seg.ImageType = ["DERIVED", "PRIMARY"]
    seg.PatientOrientation = None
    seg.ContentLabel, seg.ContentDescription = "LEFT_VENTRICLE", "Left ventricle in every frame"
    seg.ContentCreatorName = None
    seg.SegmentationType, seg.SegmentsOverlap = "BINARY", "NO"


def _add_compression(seg: Any, cine: Any, size: int) -> None:
    """Whether the pictures had lost detail before they were segmented: by their header, else by their compression."""
    method = _LOSSY.get(cine.file_meta.TransferSyntaxUID.removeprefix(_SYNTAXES))
    declared = cine.get("LossyImageCompression")
    seg.LossyImageCompression = declared if declared in ("00", "01") else "01" if method else "00"
    if seg.LossyImageCompression == "01":
        values = cine.Rows * cine.Columns * int(cine.get("SamplesPerPixel") or 1) * (declared_count(cine) or 1)
        ratio = cine.get("LossyImageCompressionRatio") or f"{max(1.0, values / size):.2f}"
        seg.LossyImageCompressionRatio = ratio
        seg.LossyImageCompressionMethod = cine.get("LossyImageCompressionMethod") or method or "ISO_10918_1"


def _segment() -> Any:
    return _new(
        SegmentNumber=1,
        SegmentLabel="Left ventricle",
        SegmentAlgorithmType="AUTOMATIC",
        SegmentAlgorithmName="kdkit student",
        SegmentedPropertyCategoryCodeSequence=[_code("91723000", "SCT", "Anatomical structure")],
        SegmentedPropertyTypeCodeSequence=[_code("87878005", "SCT", "Left ventricle")],
        RecommendedDisplayCIELabValue=[43803, 26565, 37722],
    )


def _add_frames(seg: Any, cine: Any, frames: np.ndarray) -> None:
    """The functional groups: which frame of the cine each frame of the segmentation was drawn in."""
    organization = _derive_uid(cine, "frames")
    seg.DimensionOrganizationSequence = [_new(DimensionOrganizationUID=organization)]
    seg.DimensionIndexSequence = [
        _new(
            DimensionOrganizationUID=organization,
            DimensionIndexPointer=index,
            FunctionalGroupPointer=group,
            DimensionDescriptionLabel=label,
        )
        for index, group, label in (
            (0x0062000B, 0x0062000A, "Segment"),  # Referenced Segment Number in Segment Identification
            (0x00209128, 0x00209111, "Time"),  # Temporal Position Index in Frame Content
        )
    ]
    instance = {"ReferencedSOPClassUID": cine.SOPClassUID, "ReferencedSOPInstanceUID": cine.SOPInstanceUID}
    seg.ReferencedSeriesSequence = [
        _new(SeriesInstanceUID=cine.SeriesInstanceUID, ReferencedInstanceSequence=[_new(**instance)])
    ]
    seg.SharedFunctionalGroupsSequence = [_new(SegmentIdentificationSequence=[_new(ReferencedSegmentNumber=1)])]
    seg.PerFrameFunctionalGroupsSequence = [
        _frame_group(position, int(frame), instance) for position, frame in enumerate(frames, 1)
    ]


def _frame_group(position: int, frame: int, instance: dict[str, str]) -> Any:
    purpose = _code("121322", "DCM", "Source image for image processing operation")
    source = _new(
        **instance,
        ReferencedFrameNumber=frame,
        PurposeOfReferenceCodeSequence=[purpose],
        SpatialLocationsPreserved="YES",
    )
    return _new(
        FrameContentSequence=[_new(DimensionIndexValues=[1, position], TemporalPositionIndex=position)],
        DerivationImageSequence=[
            _new(DerivationCodeSequence=[_code("113076", "DCM", "Segmentation")], SourceImageSequence=[source])
        ],
    )


def _add_pixels(seg: Any, masks: np.ndarray) -> None:
    from pydicom.pixels.utils import pack_bits

    seg.NumberOfFrames, seg.Rows, seg.Columns = masks.shape
    seg.SamplesPerPixel, seg.PhotometricInterpretation = 1, "MONOCHROME2"
    seg.BitsAllocated = seg.BitsStored = 1
    seg.HighBit = seg.PixelRepresentation = 0
    seg.PixelData = pack_bits(masks.astype(np.uint8).ravel())
    seg["PixelData"].VR = "OB"


def _derive_uid(cine: Any, what: str, content: bytes = b"") -> str:

    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=[cine.SOPInstanceUID, what, hashlib.sha256(content).hexdigest()]))


def _code(value: str, scheme: str, meaning: str) -> Any:
    return _new(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _new(**values: Any) -> Any:
    from pydicom.dataset import Dataset

    dataset = Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset
