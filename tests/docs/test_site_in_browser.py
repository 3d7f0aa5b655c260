"""The documentation in a real browser: no error, no sideways scrolling on a phone, readable by day and by night."""

import pytest
from browser import CHROMIUM, View, look

PAGES = ("index.html", "studies.html", "reference/generated/components/metrics.html")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium on the path (Debian: apt install chromium)"
)


@pytest.fixture(scope="module", params=[(390, False), (1200, True)], ids=["phone", "night"])
def shown(request, html, tmp_path_factory):
    """The pages in one browser: its width, whether it is night, and what is seen of each."""
    width, dark = request.param
    views = [View(html / page, width, alone=False) for page in PAGES]
    return width, dark, dict(zip(PAGES, look(views, dark, tmp_path_factory.mktemp("shown")), strict=True))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_the_site_is_readable(shown, page):
    width, dark, every = shown
    seen = every[page]
    assert (seen.width, seen.dark) == (width, dark)
    assert seen.console == []
    assert seen.scroll <= width, "the page scrolls sideways"
    assert all(image["width"] > 0 and 0 < image["shown"] <= width for image in seen.images), seen.images
    assert len(seen.texts) > 20
    assert [text for text in seen.texts if text["ratio"] < text["need"]] == []
