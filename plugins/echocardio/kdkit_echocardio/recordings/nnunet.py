"""nnU-Net's raw data sets (Isensee et al. 2021), of its first and second version, and the Decathlon's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from kdkit import DataError, Defect

from .candidates import choose
from .cases import SPLITS, case_and_channel, dataset_folders, order_by_ending, parse_case, stem_of
from .formats import ending_of, refuse_label_maps
from .labels import ed_and_es
from .lazy_contours import LazyContours
from .nnunet_labels import DATASET, Dataset, read_dataset
from .recording import Contour, Labels, Recording, Study
from .stills import LabelScheme, load_contours, load_sequence, load_stills
from .walk import walk

NAME = "nnunet"
LOOKS_FOR = "imagesTr/CASE_0000.nii.gz (.nii, .mha, .mhd, .png, .tif) and labelsTr/CASE.nii.gz, with dataset.json"

_VIEW_NAMES = {"A2C": "2CH", "A4C": "4CH"}

Files = dict[str, Path]
"""The picture ("image") of a case, and its labels ("image_gt") where there are any."""

Group = dict[str | None, Files]
"""The cases of a patient and view by their events."""


def recognises(path: Path) -> bool:
    """Whether nnU-Net's folders lie in the folder or below it."""
    return bool(dataset_folders(path, walk(path)))


def read(path: Path) -> Study:
    """One recording for each patient and view of each part of the data set: its ED and ES stills, or its sequence.

    A still without the other is a recording of its own, twice the same frame. Raises :class:`kdkit.DataError` where
    there are several data sets, no pictures, or nothing that says which label is the left ventricle.
    """
    roots = dataset_folders(path, walk(path))
    if len(roots) > 1:
        several = ", ".join(sorted(root.relative_to(path).as_posix() for root in roots))
        raise DataError(f"{path} holds several data sets of nnU-Net: {several}", "Name the folder of one of them.")
    root = roots[0]
    dataset = read_dataset(root)
    defects: list[Defect] = []
    recordings: list[Recording] = []
    parts = {part: _cases(path, root, part, dataset, defects) for part in SPLITS}
    refuse_label_maps(path, [files["image"] for cases in parts.values() for files in cases.values()])
    if not any(parts.values()):
        raise DataError(f"{path} is a data set of nnU-Net without pictures", f"Looked for {LOOKS_FOR}.")
    names: set[str] = set()
    for part, cases in parts.items():
        for (patient, view, _), group in _groups(cases, parse_case(root.name).view).items():
            name = f"{patient}_{_VIEW_NAMES[view]}" if view else patient
            while name in names:
                name = f"{name}-{part}"
            names.add(name)
            recordings += _recordings(name, patient, view, SPLITS[part], group, dataset.scheme, defects)
    defects += _dataset_defects(dataset, parts, recordings)
    return Study(NAME, path, recordings, defects)


def _cases(path: Path, root: Path, part: str, dataset: Dataset, defects: list[Defect]) -> dict[str, Files]:
    """The picture ("image") and, where there are any, the labels ("image_gt") of each case of a part."""
    labels = _by_stem(root / f"labels{part}", dataset)
    pictures: dict[str, dict[int, list[Path]]] = defaultdict(dict)
    for stem, files in _by_stem(root / f"images{part}", dataset).items():
        case, channel = case_and_channel(stem, labels)
        pictures[case].setdefault(channel, []).extend(files)
    cases = {}
    for case, channels in sorted(pictures.items()):
        first = min(channels)
        if len(channels) > 1:
            detail = f"{len(channels)} channels; channel {first} is read"
            defects.append(Defect("several-channels", case, detail, False))
        candidates = {"image": channels[first]} | ({"image_gt": labels[case]} if case in labels else {})
        cases[case], several = choose(path, case, candidates)
        defects += several
    defects += [
        Defect("missing-file", case, f"labels{part} has its labels, images{part} no picture", True)
        for case in sorted(set(labels) - set(cases))
    ]
    return cases


def _by_stem(folder: Path, dataset: Dataset) -> dict[str, list[Path]]:
    """The files of a folder that can be read by their names without the end, those of the data set's end first."""
    files: dict[str, list[Path]] = defaultdict(list)
    for file in order_by_ending([file for file in walk(folder) if ending_of(file)], dataset.ending):
        files[stem_of(file)].append(file)
    return files


def _groups(cases: Mapping[str, Files], view: str | None) -> dict[tuple[str, str | None, bool], Group]:
    """The cases of each patient and view by their events; one without an event is a patient of its own.

    ``view``: that of a case whose name has none. The last part of a key is whether there are events.
    """
    groups: dict[tuple[str, str | None, bool], Group] = {}
    for name, files in cases.items():
        case = parse_case(name)
        key = (case.patient if case.event else name, case.view or view, case.event is not None)
        if case.event in groups.get(key, {}):  # two spellings of one name: the second is not to be lost
            key = (name, *key[1:])
        groups.setdefault(key, {})[case.event] = files
    return groups


def _recordings(
    name: str, patient: str, view: str | None, split: str, group: Group, scheme: LabelScheme, defects: list[Defect]
) -> Iterator[Recording]:
    """The recording of a group's stills, and that of its sequence."""
    stills = {event: group[event] for event in ("ED", "ES", None) if event in group}
    if "sequence" in group:
        files = group["sequence"]
        yield _sequence(f"{name}_sequence" if stills else name, patient, view, split, files, scheme, defects)
    if not stills:
        return
    if len(stills) == 1 and None not in stills:
        defects.append(
            Defect("one-phase", name, f"there is only its {next(iter(stills))}, which counts alone", False)
        )
    order = list(stills)
    masks: dict[int | None, Path] = {
        number: stills[event]["image_gt"] for number, event in enumerate(order) if "image_gt" in stills[event]
    }
    if not masks:
        defects.append(_no_tracings(name))
    ed, es = (order.index(event) if event in order else None for event in ("ED", "ES"))
    images = [files["image"] for files in stills.values()]
    yield Recording(
        name,
        images[0],
        partial(load_stills, images),
        patient=patient,
        split=split,
        view=view,
        labels=Labels(ed=ed, es=es, contours=_lazy_contours(masks, scheme)),
    )


def _sequence(
    name: str, patient: str, view: str | None, split: str, files: Files, scheme: LabelScheme, defects: list[Defect]
) -> Recording:
    """The recording of a picture of several frames, all of them labelled or none."""
    labels = Labels()
    if "image_gt" in files:
        masks: dict[int | None, Path] = {None: files["image_gt"]}
        try:
            ed, es = ed_and_es(load_contours(masks, scheme))
        except DataError:  # told when the recording is decoded
            ed = es = None
        labels = Labels(ed=ed, es=es, contours=_lazy_contours(masks, scheme))
    else:
        defects.append(_no_tracings(name))
    load = partial(load_sequence, files["image"], None)
    return Recording(name, files["image"], load, patient=patient, split=split, view=view, labels=labels)


def _no_tracings(name: str) -> Defect:
    return Defect("no-tracings", name, "no label map belongs to it", False)


def _lazy_contours(masks: Mapping[int | None, Path], scheme: LabelScheme) -> Sequence[Contour]:
    return LazyContours(partial(load_contours, masks, scheme)) if masks else ()


def _dataset_defects(
    dataset: Dataset, parts: Mapping[str, Mapping[str, Files]], recordings: Sequence[Recording]
) -> Iterator[Defect]:
    """What is wrong with the data set as a whole."""
    if dataset.assumption:
        yield Defect("labels-assumed", DATASET, dataset.assumption, False)
    if dataset.count is not None and dataset.count != len(parts["Tr"]):
        detail = f"numTraining is {dataset.count}, imagesTr holds {len(parts['Tr'])} cases"
        yield Defect("case-count-disagrees", DATASET, detail, False)
    splits: dict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        splits[recording.patient].add(str(recording.split))
    for patient, several in sorted(splits.items()):
        if len(several) > 1:
            yield Defect("patient-in-several-splits", patient, f"in {' and '.join(sorted(several))}", False)
    unnamed = sum(parse_case(case).event is None for cases in parts.values() for case in cases)
    if unnamed:
        detail = f"{unnamed} names say no phase (ED, ES), so these cases have no scores; each counts as a patient"
        yield Defect("cases-without-phase", NAME, detail, False)
