"""A resolved recipe as one flat table, so that two of them can be held side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def flatten(tree: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Every value by its dotted path, as JSON; lists are values."""
    values: dict[str, str] = {}
    for key, value in tree.items():
        value_path = f"{path}.{key}" if path else key
        if isinstance(value, Mapping):
            values |= flatten(value, value_path)
        else:
            values[value_path] = json.dumps(value, ensure_ascii=False)
    return values
