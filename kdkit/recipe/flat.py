"""A resolved recipe as one flat table, so that two of them can be held side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def flat(tree: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Every value by its dotted path, as JSON; lists are values."""
    values: dict[str, str] = {}
    for key, value in tree.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, Mapping):
            values |= flat(value, here)
        else:
            values[here] = json.dumps(value, ensure_ascii=False)
    return values
