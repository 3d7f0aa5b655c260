"""Teachers as options of other components."""

import json
import pickle

import pytest
from pydantic import ValidationError

from kdkit import Component, ComponentOptions, Field, TeacherChoice


class Pair(Component):
    """Two teachers."""

    kind = "student"
    incidental = frozenset({"patience"})

    class Options(ComponentOptions):
        members: tuple[TeacherChoice, ...] = Field(description="Teachers.")
        patience: float = Field(1.0, description="Seconds.")


BRIGHT, DARK = {"name": "brightness", "threshold": 0.25}, {"name": "brightness"}


def pair(*members, **more):
    return Pair(Pair.Options.model_validate({"members": members, **more}))


def test_a_choice_makes_the_teacher_with_its_options(toy):
    first, second = pair(BRIGHT, DARK).options.members
    assert (first.make().options.threshold, second.make().options.threshold) == (0.25, 0.5)
    assert first.make() is not first.make()


def test_a_choice_survives_being_written_down_and_sent(toy):
    options = pair(BRIGHT, DARK).options
    written = json.loads(json.dumps(options.model_dump(mode="json")))
    assert written["members"][1] == {"name": "brightness", "threshold": 0.5, "weights": None}
    assert Pair.Options.model_validate(written) == options
    assert Pair.Options.model_validate(options.model_dump()) == options
    assert pickle.loads(pickle.dumps(options)) == options
    assert options != pair(DARK, BRIGHT).options


def test_a_choice_counts_by_the_teacher_s_own_fingerprint(toy, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"weights")
    other.write_bytes(b"weights")
    moved = [pair({"name": "brightness", "weights": str(path)}).fingerprint() for path in (one, other)]
    assert moved[0] == moved[1] != pair(DARK).fingerprint()
    other.write_bytes(b"other weights")
    assert pair({"name": "brightness", "weights": str(other)}).fingerprint() != moved[1]


def test_incidental_options_are_not_part_of_the_fingerprint(toy):
    assert pair(DARK, patience=9).fingerprint() == pair(DARK).fingerprint()


def test_a_teacher_that_does_not_exist_is_refused_with_the_nearest(toy):
    with pytest.raises(ValidationError, match="did you mean brightness"):
        pair({"name": "brightnes"})


def test_faults_of_a_teacher_s_options_are_told_where_they_are(toy):
    with pytest.raises(ValidationError) as caught:
        pair(DARK, {"name": "brightness", "threshold": 7, "weigths": "w"})
    assert [fault["loc"] for fault in caught.value.errors()] == [
        ("members", 1, "threshold"),
        ("members", 1, "weigths"),
    ]
