"""A domain in one file, as a page shows it, keeps every promise."""

import sys
from pathlib import Path

import pytest
from source import DOCS, run_page

QUICK = "how-to/single-file.md"


def domains():
    """The pages and the files in them that hold a whole domain: its entries point at its own classes."""
    for path in sorted(DOCS.rglob("*.md")):
        page = str(path.relative_to(DOCS))
        for file in files(page):
            if "def kdkit_domains" in file.text and "{__name__}:" in file.text:
                yield page, file.path


def files(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    return [step for step in run_page.steps(text) if isinstance(step, run_page.File)]


@pytest.mark.parametrize(
    ("page", "name"),
    [pytest.param(*each, marks=[] if each[0] == QUICK else [pytest.mark.slow]) for each in domains()],
)
def test_a_domain_on_a_page_keeps_every_promise(page, name, cli, monkeypatch):
    monkeypatch.syspath_prepend(str(Path.cwd()))  # for modules beside the file
    for file in files(page):
        Path(file.path).parent.mkdir(parents=True, exist_ok=True)
        Path(file.path).write_text(file.text, encoding="utf-8")
    done = cli("plugins", "verify", f"./{name}")
    for file in files(page):
        sys.modules.pop(Path(file.path).stem, None)
    assert done.code == 0, done.out + done.err
    assert "broken" not in done.out and "miniature run: generate" in done.out


def test_the_page_of_such_domains_shows_one():
    assert (QUICK, "stripes.py") in domains()
