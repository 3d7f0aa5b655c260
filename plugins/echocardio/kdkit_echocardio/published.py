"""Published DICE of left-ventricle models on EchoNet-Dynamic, to be shown beside a sweep's."""

from __future__ import annotations

from kdkit import Published

_TEST = "against human tracings on EchoNet-Dynamic's test split, real clips."
_STUDENTS = (
    "Students, blocks x layers: EchoDFKD (Petit et al., WACV 2025), read off its figure of score by size; measured "
    f"{_TEST}"
)
_OTHERS = f"Others, trained on EchoNet-Dynamic's labels: as quoted by EchoDFKD (Petit et al., WACV 2025), {_TEST}"

_TEACHER_WEIGHTS = 39_633_729

# Blocks and layers, weights, DICE.
_SIZES = (
    ("1 x 1", 5701, 0.784),
    ("1 x 2", 16141, 0.776),
    ("1 x 3", 26581, 0.833),
    ("1 x 4", 37021, 0.840),
    ("2 x 1", 39577, 0.858),
    ("2 x 2", 91633, 0.890),
    ("2 x 3", 143689, 0.890),
    ("3 x 1", 174721, 0.901),
    ("2 x 4", 195745, 0.897),
    ("3 x 2", 392953, 0.906),
    ("3 x 3", 611185, 0.908),
    ("4 x 1", 714577, 0.909),
    ("3 x 4", 829417, 0.908),
    ("4 x 2", 1596937, 0.911),
    ("4 x 3", 2479297, 0.910),
    ("4 x 4", 3361657, 0.910),
)
_LABELLED = (
    ("EchoNet-Dynamic (the teacher)", _TEACHER_WEIGHTS, 0.922),
    ("nnU-Net", 7_400_000, 0.928),
    ("SimLVSeg", 18_800_000, 0.933),
)

# EchoNet's own number is the pooled one, of all pixels of the test set.
_POOLED = (
    ("EchoNet-Dynamic (the teacher)", "dice-pooled", 0.9200),
    ("EchoNet-Dynamic (the teacher), ED alone", "dice-pooled", 0.9278),
    ("EchoNet-Dynamic (the teacher), ES alone", "dice-pooled", 0.9068),
)
_POOLED_SOURCE = f"Pooled over all pixels: EchoNet-Dynamic (Ouyang et al., Nature 2020), {_TEST}"

PUBLISHED = tuple(Published(f"EchoDFKD {name}", weights, "dice", dice, _STUDENTS) for name, weights, dice in _SIZES)
PUBLISHED += tuple(Published(name, weights, "dice", dice, _OTHERS) for name, weights, dice in _LABELLED)
PUBLISHED += tuple(Published(name, _TEACHER_WEIGHTS, metric, dice, _POOLED_SOURCE) for name, metric, dice in _POOLED)
