"""The wrong edits that the tests are tried with apply to today's code."""

import pytest
from breakages import BREAKAGES, ROOT


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_each_edit_finds_its_place_and_its_tests(breakage):
    assert (ROOT / breakage.file).read_text(encoding="utf-8").count(breakage.old) == 1
    assert breakage.new != breakage.old
    assert all((ROOT / place).exists() for place in breakage.tests.split())
