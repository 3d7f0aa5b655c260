"""Pages from templates of the package."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

    from kdkit.contracts.vocabulary import Figure


def data_uri(figure: Figure) -> str:
    """A figure's data as an address that needs no file."""
    return f"data:{figure.media_type};base64,{base64.b64encode(figure.data).decode('ascii')}"


def render(template: str, filters: Mapping[str, Callable[..., str]] = MappingProxyType({}), **values: Any) -> str:
    """The template of this name with these values; every text in it is escaped. A value that lacks is an error.

    Beside its own ``filters`` a template may ask for a figure's ``data_uri``.
    """
    environment = _environment()
    environment.filters |= filters
    return environment.get_template(template).render(**values)


@cache
def _environment() -> Environment:
    """Of all pages of this process: it compiles each template once."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("kdkit.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = data_uri
    return environment
