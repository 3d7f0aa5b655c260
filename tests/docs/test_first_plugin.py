"""The pages that show files and commands are what happens when one follows them."""

import pytest
from source import DOCS, run_page

PAGES = {
    "fields.md": [pytest.mark.slow],
    "how-to/single-file.md": [],
    "how-to/new-plugin.md": [pytest.mark.slow],
    "tutorials/first-plugin.md": [pytest.mark.slow],
    "tutorials/start.md": [pytest.mark.slow],
}


@pytest.mark.parametrize("page", [pytest.param(page, marks=marks) for page, marks in PAGES.items()])
def test_a_page_shows_what_its_commands_print(page, tmp_path):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert any(isinstance(step, run_page.Command) for step in run_page.steps(text))
    _, mismatches = run_page.run(text, tmp_path)
    told = [f"$ {mismatch.command}\n{mismatch.difference}" for mismatch in mismatches]
    assert not told, "\n\n".join([f"python docs/run_page.py docs/{page} --write would mend this:", *told])


def test_no_page_with_commands_is_left_out():
    pages = {str(path.relative_to(DOCS)): path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")}
    shown = {
        page for page, text in pages.items() for step in run_page.steps(text) if isinstance(step, run_page.Command)
    }
    assert shown == set(PAGES)


def test_files_and_commands_are_read_from_a_page_in_order():
    page = (
        'Text.\n\n```{code-block} python\n:caption: "`a/b.py`"\n\nx = 1\n\n\ny = 2\n```\n\n'
        "```console\n$ one\nprinted\n  more\n$ two\n```\n\n```shell\nnot run\n```\n"
    )
    file, one, two = run_page.steps(page)
    assert file == run_page.File("a/b.py", "x = 1\n\n\ny = 2\n")
    assert (one.line, one.output, two.line, two.output) == ("one", "printed\n  more\n", "two", "")
    assert page[slice(*one.place)] == one.output


def test_what_differs_between_machines_is_not_compared_and_the_rest_is():
    here = "  distill  net  8 epochs  3 s  val 0.0307\n│ images a second │ 734 │\n└────┘\n  4 passed in 1.2s\n"
    there = "  distill  net   8 epochs  12 s  val 0.0311\n│ images a second │  90 │\n└──────┘\n 5 passed in 3.4s\n"
    assert run_page.normalised(here) == run_page.normalised(there)
    assert run_page.normalised(here) != run_page.normalised(here.replace("8 epochs", "9 epochs"))
    assert run_page.normalised("14 of 14 promises") == run_page.normalised("15 of 15 promises")
    assert run_page.normalised("14 of 14 promises") != run_page.normalised("13 of 14 promises")
