"""Units of recordings never lie in two splits, whatever their sizes."""

from hypothesis import given
from hypothesis import strategies as st

from kdkit.store.splitting import draw_order

UNITS = st.lists(st.integers(0, 12), min_size=1, max_size=60).map(lambda numbers: [f"p{n}" for n in numbers])
SIZES = st.lists(st.integers(0, 20), min_size=1, max_size=3)


def parts(order, sizes):
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return [order[start : start + size] for start, size in zip(starts, sizes, strict=True)]


@given(UNITS, SIZES, st.integers(0, 5))
def test_no_unit_lies_in_two_splits(units, sizes, seed):
    order = draw_order(units, sizes, seed)
    assert len(set(order)) == len(order) and set(order) <= set(range(len(units)))
    seen = [{units[index] for index in part} for part in parts(order, sizes)]
    for number, one in enumerate(seen):
        assert all(one.isdisjoint(other) for other in seen[number + 1 :])


@given(UNITS, st.integers(0, 20), st.integers(0, 20), st.integers(1, 20), st.integers(0, 5))
def test_a_last_split_that_grows_keeps_what_was_there(units, first, last, more, seed):
    small, large = draw_order(units, [first, last], seed), draw_order(units, [first, last + more], seed)
    assert small == large


def test_samples_that_are_units_are_all_used_and_drawn_by_the_seed():
    units = [str(number) for number in range(30)]
    order = draw_order(units, [10, 20], 0)
    assert sorted(order) == list(range(30))
    assert order != list(range(30))
    assert order == draw_order(units, [10, 20], 0) != draw_order(units, [10, 20], 1)


def test_what_a_border_cuts_off_is_left_out():
    assert len(draw_order(["a"] * 3 + ["b"] * 3, [2, 3], 0)) == 5
