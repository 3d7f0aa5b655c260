"""The documentation in a real browser: no error, no sideways scrolling on a phone, readable by day and by night."""

import pytest
from browser import CHROMIUM, look

PAGES = ("index.html", "studies.html", "reference/generated/components/metrics.html")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium on the path (Debian: apt install chromium)"
)


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1200, True)], ids=["phone", "night"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_the_site_is_readable(html, page, width, dark, tmp_path):
    seen = look(html / page, width, dark, tmp_path, alone=False)
    assert (seen.width, seen.dark) == (width, dark)
    assert seen.console == []
    assert seen.scroll <= width, "the page scrolls sideways"
    assert all(image["width"] > 0 and 0 < image["shown"] <= width for image in seen.images), seen.images
    assert len(seen.texts) > 20
    assert [text for text in seen.texts if text["ratio"] < text["need"]] == []
