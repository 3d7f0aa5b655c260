"""Several generators as one."""

from collections import Counter

import numpy as np
import pytest
from kdkit_generators.mix import Mix
from PIL import Image
from pydantic import ValidationError

from kdkit import DataError

FINE, COARSE = {"name": "noise", "shape": (4, 4)}, {"name": "noise", "shape": (4, 4), "grain": 4}


def mix(*members, seed=0, **more):
    return Mix(Mix.Options.model_validate({"members": members, **more}), seed)


def is_coarse(sample):
    return len(np.unique(sample.inputs)) == 1


@pytest.fixture
def pictures(tmp_path):
    """A folder of four grey pictures, 0 to 3 bright; what a ``folder`` generator needs to read it."""
    for number in range(4):
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(tmp_path / f"{number}.png")
    return {"name": "folder", "path": str(tmp_path), "colour": "gray", "size": (4, 4)}


@pytest.mark.parametrize(("shares", "expected"), [(None, 0.5), ((3, 1), 0.25), ((1, 9), 0.9)])
def test_each_member_makes_its_share_evenly_mingled(shares, expected):
    coarse = np.array([is_coarse(sample) for sample in mix(FINE, COARSE, shares=shares).generate(range(200))])
    for part in (coarse, coarse[:50], coarse[150:]):
        assert part.mean() == pytest.approx(expected, abs=0.05)


def test_a_sample_does_not_depend_on_what_else_is_made():
    source = mix(FINE, COARSE)
    whole = [sample.inputs for sample in source.generate(range(20))]
    some = [sample.inputs for sample in mix(FINE, COARSE).generate([17, 3, 4])]
    assert all(np.array_equal(whole[index], inputs) for index, inputs in zip([17, 3, 4], some, strict=True))


def test_the_same_generator_twice_gives_other_samples():
    samples = {sample.inputs.tobytes() for sample in mix(FINE, FINE).generate(range(40))}
    assert len(samples) == 40


def test_recordings_are_used_once_each_from_the_first_on_until_they_run_out(pictures):
    source = mix(COARSE, pictures)
    count = source.count()
    shown = [s.inputs for s in source.generate(range(count)) if s.info["name"].split("-")[0] != "noise"]
    assert [int(inputs.max()) for inputs in shown] == [0, 1, 2, 3]
    with pytest.raises(DataError):
        list(source.generate(range(count + 1)))


def test_what_is_a_recording_is_for_each_member_to_say(pictures):
    source = mix(COARSE, pictures, repeats=(1, 2))
    indices = list(range(source.count()))
    told = source.recordings(indices)
    drawn = [sample.info["name"].startswith("noise") for sample in source.generate(indices)]
    assert [name is None for name in told] == drawn
    assert sorted(Counter(name for name in told if name).values()) == [2, 2, 2, 2]
    assert source.recordings([5, 2]) == [told[5], told[2]] and mix(FINE, COARSE).recordings([0, 1]) == [None, None]


def test_it_ends_where_the_first_of_its_members_does(pictures):
    source = mix(pictures, pictures, shares=(9, 1))
    samples = list(source.generate(range(source.count())))
    assert len(samples) == source.count() >= 4


def test_without_end_there_is_no_count():
    assert mix(FINE, COARSE).count() is None


def test_a_mix_is_synthetic_only_if_all_members_are(pictures):
    assert mix(FINE, COARSE).synthetic
    assert not mix(FINE, pictures).synthetic


def test_a_member_that_needs_gradients_makes_the_mix_need_them():
    inversion = {"name": "inversion", "shape": (4, 4), "layout": "hw"}
    teacher = object()
    source = mix(FINE, inversion)
    assert source.needs_gradients and not mix(FINE, COARSE).needs_gradients
    source.bind(teacher)
    assert [member.teacher for member in source.members] == [None, teacher]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": [FINE]}, "two or more"),
        ({"members": [FINE, COARSE], "shares": [1]}, "one for each member"),
        ({"members": [FINE, COARSE], "shares": [1, 0]}, "above 0"),
        ({"members": [FINE, COARSE], "repeats": [1]}, "one for each member"),
        ({"members": [FINE, COARSE], "repeats": [1, 0]}, "from 1"),
        ({"members": [FINE, {"name": "nois"}]}, "did you mean noise"),
        ({"members": [FINE, {"name": "noise", "shape": [4], "grain": 0}]}, "members.1.grain"),
    ],
)
def test_what_cannot_be_mixed_is_told(options, message):
    with pytest.raises(ValidationError, match=message):
        Mix.Options.model_validate(options)


def test_few_recordings_are_given_several_times_among_much_that_is_simulated(pictures):
    source = mix(COARSE, pictures, shares=(1, 3), repeats=(1, 3))
    samples = list(source.generate(range(source.count())))
    shown = [int(s.inputs.max()) for s in samples if s.info["name"].split("-")[0] != "noise"]
    assert shown == [0, 1, 2, 3] * 3
    with pytest.raises(DataError):
        list(source.generate(range(source.count() + 2)))
    units = source.units()
    of_picture = [unit for unit, sample in zip(units, samples, strict=True) if sample.info["name"][:5] != "noise"]
    assert of_picture == of_picture[:4] * 3 and len(set(of_picture)) == 4
    assert len(set(units)) == len(units) - 8


def test_splits_keep_the_shares_and_use_all_recordings(pictures):
    source = mix(COARSE, pictures, shares=(3, 1), repeats=(1, 3))
    sizes = (8, 24)
    order = source.draw_splits(sizes)
    assert len(order) == len(set(order)) == 32
    samples = list(source.generate(order))
    recordings = [None if s.info["name"].startswith("noise") else int(s.inputs.max()) for s in samples]
    validation, train = recordings[:8], recordings[8:]
    assert sum(name is not None for name in train) == pytest.approx(6, abs=1)
    assert sum(name is not None for name in validation) == pytest.approx(2, abs=1)
    used = {*train, *validation} - {None}
    assert used == {0, 1, 2, 3} and {*train} & {*validation} <= {None}


def test_another_folder_content_makes_another_mix(pictures, tmp_path):
    before = mix(COARSE, pictures).fingerprint()
    assert mix(COARSE, pictures).fingerprint() == before
    assert mix(COARSE, pictures, repeats=(1, 2)).fingerprint() != before
    Image.fromarray(np.full((4, 4), 9, np.uint8)).save(tmp_path / "3.png")
    assert mix(COARSE, pictures).fingerprint() != before
