"""Masks as DICOM Segmentations, read back by libraries that know nothing of how they were written."""

import nibabel
import numpy as np
import pydicom
import pytest
from kdkit_echocardio.domain import Echocardio
from pydicom.uid import JPEGBaseline8Bit, UltrasoundMultiFrameImageStorage, generate_uid
from test_clips import write_dicom
from test_domain import REAL_CINE, ellipse

from kdkit import DataError


def write(path, prediction, out, masks="dicom-seg"):
    domain = Echocardio(Echocardio.Options(masks=masks, overlay="none"))
    return domain.write(path, domain.read(path), prediction, out)


def write_cine(path, count=6, height=120, width=160, **attributes):
    pixels = np.random.default_rng(0).integers(0, 255, (count, height, width)).astype(np.uint8)
    identifiers = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid(), "FrameTime": 40.0}
    return write_dicom(path, pixels, **(identifiers | attributes))


def segmentation_of(path, prediction, tmp_path):
    write(path, prediction, tmp_path / "cine")
    return pydicom.dcmread(tmp_path / "cine.seg.dcm")


def drawn(prediction, path, tmp_path):
    """The masks (T, H, W) as NIfTI has them, in which SimpleITK and nibabel see them in place."""
    write(path, prediction, tmp_path / "same", "nifti")
    return np.asarray(nibabel.load(tmp_path / "same.nii.gz").dataobj)[:, :, 0].T.astype(bool)


def sources(segmentation):
    """Of each frame of a segmentation the instance and the frame that it refers to."""
    groups = [group.DerivationImageSequence[0] for group in segmentation.PerFrameFunctionalGroupsSequence]
    references = [group.SourceImageSequence[0] for group in groups]
    return [(reference.ReferencedSOPInstanceUID, reference.ReferencedFrameNumber) for reference in references]


def test_each_frame_of_a_real_cine_has_its_mask_and_refers_to_its_frame(tmp_path):
    prediction, cine = ellipse(30), pydicom.dcmread(REAL_CINE)
    segmentation = segmentation_of(REAL_CINE, prediction, tmp_path)
    assert segmentation.SOPClassUID.name == "Segmentation Storage" and segmentation.Modality == "SEG"
    assert np.array_equal(segmentation.pixel_array, drawn(prediction, REAL_CINE, tmp_path))
    assert segmentation.pixel_array.any((1, 2)).all()
    assert sources(segmentation) == [(cine.SOPInstanceUID, number) for number in range(1, 31)]
    (series,) = segmentation.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == cine.SeriesInstanceUID != segmentation.SeriesInstanceUID
    assert segmentation.StudyInstanceUID == cine.StudyInstanceUID
    assert (segmentation.PatientName, segmentation.PatientID) == (cine.PatientName, cine.PatientID)
    # Without a place in the patient there is none to claim (PS3.3, A.51.5.1): pixels are those of the cine's frames.
    assert "FrameOfReferenceUID" not in segmentation
    assert (segmentation.Rows, segmentation.Columns) == (cine.Rows, cine.Columns)


@pytest.mark.parametrize("shape", [(6, 120, 160), (3, 119, 161)])  # the second fills no whole byte
def test_highdicom_finds_the_masks_by_the_cines_frames(tmp_path, shape):
    highdicom = pytest.importorskip("highdicom")
    path, prediction = write_cine(tmp_path / "cine.dcm", *shape), ellipse(shape[0], swing=0.3, period=6)
    write(path, prediction, tmp_path / "cine")
    read = highdicom.seg.segread(tmp_path / "cine.seg.dcm")
    numbers = list(range(1, shape[0] + 1))
    instance = pydicom.dcmread(path).SOPInstanceUID
    seen = read.get_pixels_by_source_frame(instance, source_frame_numbers=numbers[::-1])
    masks = drawn(prediction, path, tmp_path)
    assert masks.any() and np.array_equal(seen[::-1, ..., 0], masks)
    assert read.get_segment_numbers(segment_label="Left ventricle") == [1]


def test_frames_that_were_resampled_are_segmented_once_by_their_numbers_in_the_file(tmp_path):
    # The third frame lasted for four: the clip that is predicted holds it four times.
    steps = [0.0, 20.0, 20.0, 80.0, 20.0, 20.0]
    pointer = {"FrameTimeVector": steps, "FrameIncrementPointer": 0x00181065}
    path = write_cine(tmp_path / "cine.dcm", 6, 112, 112, **pointer)
    domain = Echocardio(Echocardio.Options(masks="dicom-seg", overlay="none"))
    sample = domain.read(path)
    assert "variable-rate" in sample.info["flags"] and len(sample.inputs) == 9
    prediction = np.zeros((9, 112, 112), np.float32)
    stored = pydicom.dcmread(path).pixel_array
    numbers = [next(n for n, frame in enumerate(stored) if (frame == one).all()) for one in sample.inputs]
    for frame, number in enumerate(numbers):
        prediction[frame, : 10 * (number + 1)] = 1
    domain.write(path, sample, prediction, tmp_path / "cine")
    segmentation = pydicom.dcmread(tmp_path / "cine.seg.dcm")
    assert [number for _, number in sources(segmentation)] == [1, 2, 3, 4, 5, 6]
    assert [int(mask.any(1).sum()) for mask in segmentation.pixel_array] == [10, 20, 30, 40, 50, 60]


def test_the_same_masks_of_the_same_cine_are_the_same_object(tmp_path):
    path = write_cine(tmp_path / "cine.dcm")
    first, again = (segmentation_of(path, ellipse(6), tmp_path) for _ in range(2))
    other = segmentation_of(path, ellipse(6, size=112)[::-1] * 0, tmp_path)
    assert first.SOPInstanceUID == again.SOPInstanceUID != other.SOPInstanceUID
    assert first.SOPInstanceUID == first.file_meta.MediaStorageSOPInstanceUID
    assert not other.pixel_array.any() and other.NumberOfFrames == 6


def test_names_in_other_alphabets_stay_what_they_are(tmp_path):
    attributes = {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Ñandú^Łucja", "PatientID": "7"}
    path = write_cine(tmp_path / "cine.dcm", **attributes)
    assert segmentation_of(path, ellipse(6), tmp_path).PatientName == "Ñandú^Łucja"


@pytest.mark.parametrize(
    ("syntax", "declared", "lossy", "method"),
    [(None, None, "00", None), (None, "01", "01", "ISO_10918_1"), (JPEGBaseline8Bit, None, "01", "ISO_10918_1"),
     (JPEGBaseline8Bit, "00", "00", None)],
    ids=["plain", "declared", "jpeg", "jpeg-declared-lossless"],
)  # fmt: skip
def test_what_the_pictures_lost_before_is_told(tmp_path, syntax, declared, lossy, method):
    path = tmp_path / "cine.dcm"
    dataset = pydicom.dcmread(REAL_CINE if syntax else write_cine(path))
    for name in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if name in dataset:
            del dataset[name]
    if declared:
        dataset.LossyImageCompression = declared
    dataset.save_as(path)
    segmentation = segmentation_of(path, ellipse(30 if syntax else 6), tmp_path)
    assert segmentation.LossyImageCompression == lossy
    assert segmentation.get("LossyImageCompressionMethod") == method
    assert ("LossyImageCompressionRatio" in segmentation) == (lossy == "01")


@pytest.mark.parametrize("name", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_cine_that_nothing_can_refer_to_is_named(tmp_path, name):
    path = write_cine(tmp_path / "cine.dcm", **{name: None})
    with pytest.raises(DataError, match=f"has no {name}, by which.*refer to it"):
        write(path, ellipse(6), tmp_path / "cine")
    assert [file.name for file in tmp_path.iterdir()] == ["cine.dcm"]


def test_the_instance_is_known_by_the_files_meta_information_where_the_data_set_lacks_it(tmp_path):
    path = write_cine(tmp_path / "cine.dcm")
    dataset = pydicom.dcmread(path)
    uid = dataset.SOPInstanceUID
    del dataset.SOPInstanceUID, dataset.SOPClassUID
    pydicom.dcmwrite(path, dataset)
    segmentation = segmentation_of(path, ellipse(6), tmp_path)
    assert {instance for instance, _ in sources(segmentation)} == {uid}
    (series,) = segmentation.ReferencedSeriesSequence
    assert series.ReferencedInstanceSequence[0].ReferencedSOPClassUID == UltrasoundMultiFrameImageStorage


def test_of_what_is_no_dicom_file_there_is_no_segmentation(tmp_path):
    path = Echocardio().example_file(tmp_path)
    count = len(Echocardio().read(path).inputs)
    with pytest.raises(DataError, match=r"(?s)no DICOM file.*--masks nifti"):
        write(path, ellipse(count), tmp_path / "out")
