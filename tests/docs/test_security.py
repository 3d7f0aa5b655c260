"""The page on security names a test for every attack, and each of them exists."""

import re

from source import DOCS

PAGE = (DOCS / "explanation" / "security.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| .* \| `([\w/]+\.py)::(test_\w+)` \|$", PAGE, re.MULTILINE)


def test_every_attack_has_a_test_that_exists():
    assert len(ROWS) >= 40
    assert len(ROWS) == len(set(ROWS))
    tests = DOCS.parent / "tests"
    missing = [
        f"{file}::{name}"
        for file, name in ROWS
        if not re.search(rf"^ *def {name}\(", (tests / file).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []
