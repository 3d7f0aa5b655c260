"""How a score stands in a terminal."""

import pytest
from kdkit_cli.scores_table import score_text

from kdkit import Score


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (None, None, None, "–"),
        (0.5, None, None, "0.500"),
        (0.85, 0.84, 0.86, "0.850 ±0.010"),
        (1.0, 0.84, 1.0, "1.000 (0.840 to 1.000)"),
        (0.0, 0.0, 0.25, "0.000 (0.000 to 0.250)"),
        (-26.0, -30.0, -22.5, "-26.0 ±3.8"),
    ],
)
def test_half_a_width_stands_only_for_an_interval_that_is_even(value, low, high, text):
    assert score_text(Score(value, low, high, 9, "", True)) == text
