"""What is printed is what was meant: nothing hidden, and nothing that people read made unreadable."""

import pytest
from kdkit_cli.console import escape
from rich import markup

from kdkit.evaluation.numbers import format_count, format_duration, with_unit


@pytest.mark.parametrize("text", [with_unit("\u22120.5", "mm"), format_count(186_000), format_duration(130)])
def test_a_number_keeps_its_unit_and_its_blank(text):
    assert not text.isprintable()
    assert markup.render(escape(text)).plain == text


@pytest.mark.parametrize("hidden", ["\x1b", "\x07", "\u202e", "\u200b", "\u2028", "\x85"])
def test_what_nobody_can_see_is_shown_as_an_escape(hidden):
    shown = markup.render(escape(f"a{hidden}[bold]b")).plain
    assert hidden not in shown
    assert shown == f"a{hidden.encode('unicode_escape').decode()}[bold]b"
