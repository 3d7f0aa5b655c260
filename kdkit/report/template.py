"""Pages from templates of the package."""

from __future__ import annotations

from typing import Any


def render(template: str, **values: Any) -> str:
    """The template of this name with these values; every text in it is escaped. A value that lacks is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("kdkit"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
