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
        (0.0059, 0.0045, 0.0080, "0.0059 (0.0045 to 0.0080)"),
        (5.9e-12, 4.5e-12, 8e-12, "5.9e\u221212 (4.5e\u221212 to 8.0e\u221212)"),
        (5928734.3, 4500000.0, 8000000.0, "5,928,734 (4,500,000 to 8,000,000)"),
        (0.0, None, None, "0.000"),
    ],
)
def test_a_score_is_written_with_its_interval_on_any_scale(value, low, high, text):
    assert score_text(Score(value, low, high, 9, "", True)) == text
