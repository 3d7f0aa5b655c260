"""Which of a mix's samples lie in which split: shares, units, and how evenly recordings are used."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kdkit_generators.mixed_splits import Source, draw_turns

ENDLESS = Source(None)


def owners_of(count, period=4):
    """Every fourth sample is the second member's."""
    return (np.arange(count) % period == period - 1).astype(np.int64)


def drawn(sizes, source, seed=0, endless=ENDLESS):
    """The turns of the second member in each split, and how many samples there are in all."""
    turns = draw_turns(owners_of(sum(sizes)), sizes, [endless, source], seed)
    starts = np.cumsum([0, *sizes])
    parts = [turns[a:b] for a, b in pairwise(starts)]
    return [[turn for owner, turn in part if owner == 1] for part in parts], len(turns)


def each_its_own(count):
    return [f"u{number}" for number in range(count)]


def test_of_many_recordings_each_is_used_once():
    (validation, train), count = drawn((96, 960), Source(each_its_own(500), 20))
    assert count == 1056 and len(train) == 240 and len(validation) == 24
    assert len(set(train)) == 240 and max(train) < 500 and set(train).isdisjoint(validation)


def test_of_few_recordings_all_are_used_equally_often():
    (validation, train), count = drawn((12, 120), Source(each_its_own(8), 20))
    assert count == 132 and len(train) == 30 and len(validation) == 3
    uses = Counter(turn % 8 for turn in train)
    assert len(uses) == 6 and max(uses.values()) - min(uses.values()) <= 1
    assert {turn % 8 for turn in validation}.isdisjoint(uses)
    assert len({*train, *validation}) == 33


def test_what_is_drawn_depends_on_the_seed_and_on_nothing_else():
    source = Source(each_its_own(40), 2)
    assert drawn((12, 60), source) == drawn((12, 60), source) != drawn((12, 60), source, seed=1)


@given(st.integers(1, 12), st.integers(0, 20), st.integers(0, 20), st.integers(0, 60), st.integers(0, 60))
def test_a_longer_last_split_begins_like_a_shorter_one_and_leaves_the_others(units, first, second, last, more):
    source = Source(each_its_own(units), 3)
    short, long = (
        draw_turns(owners_of(first + second + size), (first, second, size), [ENDLESS, source], 0)
        for size in (last, last + more)
    )
    assert long[: len(short)] == short


def test_samples_of_one_unit_stay_together_and_units_come_in_turn():
    units = [f"patient {number % 5}" for number in range(30)]
    (validation, train), _ = drawn((8, 40), Source(units))
    assert len({turn % 5 for turn in train[:4]}) == 4
    assert {units[turn] for turn in train}.isdisjoint(units[turn] for turn in validation)


@pytest.mark.parametrize(("units", "in_validation"), [(1, 0), (2, 1), (3, 1), (8, 2)])
def test_of_very_few_units_the_training_has_its_own(units, in_validation):
    (validation, train), count = drawn((40, 40), Source(each_its_own(units), 20))
    assert count == 80 and len(train) == 10 and {turn % units for turn in train}
    assert len({turn % units for turn in validation}) == in_validation
    # Without a unit of its own, or when it has given all it may, a split takes simulated samples in place.
    assert len(validation) == (10 if in_validation else 0)


def test_where_recordings_do_not_suffice_for_training_samples_lack_and_fewer_can_be_had():
    sizes, source = (8, 40), Source(each_its_own(4), 2)
    (_, train), count = drawn(sizes, source)
    assert len(train) == 6 and count == 8 + 6 * 4 + 3
    assert drawn((8, count - 8), source)[1] == count


def test_of_folders_alone_a_split_may_have_more_than_a_quarter():
    folder = Source(each_its_own(100))
    (first, second, last), count = drawn((80, 20, 100), folder, endless=Source(each_its_own(150)))
    assert count == 200 and [len(first), len(second), len(last)] == [20, 5, 25]
    (first, last), count = drawn((160, 80), Source(each_its_own(60)), endless=Source(each_its_own(180)))
    assert count == 240 and [len(first), len(last)] == [40, 20]


def test_without_a_member_that_has_no_end_samples_lack_as_well():
    (first, second), count = drawn((8, 8), Source(["one"]), endless=Source(each_its_own(100)))
    assert first == [] and second == [] and count == 3


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=3),
    st.lists(st.integers(0, 6), min_size=1, max_size=30),
    st.integers(1, 5),
    st.integers(0, 3),
)
def test_no_unit_lies_in_two_splits_and_nothing_is_given_twice(sizes, numbers, repeats, seed):
    units = [f"u{number}" for number in numbers]
    turns = draw_turns(owners_of(sum(sizes)), sizes, [ENDLESS, Source(units, repeats)], seed)
    assert len(set(turns)) == len(turns) <= sum(sizes)
    assert all(turn < repeats * len(units) for owner, turn in turns if owner == 1)
    starts = np.cumsum([0, *sizes])
    seen = [{units[t % len(units)] for o, t in turns[a:b] if o == 1} for a, b in pairwise(starts)]
    for number, one in enumerate(seen):
        assert all(one.isdisjoint(other) for other in seen[number + 1 :])
    assert [turn for owner, turn in turns if owner == 0] == list(range(sum(owner == 0 for owner, _ in turns)))


@pytest.mark.parametrize("sizes", [(0,), (0, 0), (5, 0), (0, 5)])
def test_splits_may_be_empty(sizes):
    assert drawn(sizes, Source(each_its_own(9)))[1] == sum(sizes)
