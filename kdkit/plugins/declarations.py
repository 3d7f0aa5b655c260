"""What the classes of components have to say of themselves before they are used."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from kdkit.contracts.component import Component
from kdkit.contracts.metric import Metric
from kdkit.contracts.student import Student
from kdkit.errors import PluginError
from kdkit.plugins.calls import title_of

# By contract, what a class declares: the types that it may have, and the words for them.
DECLARED: Mapping[type[Component], Mapping[str, tuple[tuple[type, ...], str]]] = {
    Metric: {
        "unit": ((str,), '"" for a plain ratio, else "%", "mm", ...'),
        "higher_is_better": ((bool, type(None)), "True or False, or None when zero is best"),
    },
    Student: {"inputs": ((str,), "a line that says what the network takes: shape, dtype and range")},
}


def check_declarations(component: Component) -> None:
    """Raise :class:`PluginError` for what the class has to say of itself and does not, or not rightly."""
    for contract, attributes in DECLARED.items():
        for name, (types, words) in attributes.items() if isinstance(component, contract) else ():
            missing = object()
            value: Any = getattr(component, name, missing)
            if not isinstance(value, types):
                state = "is missing" if value is missing else f"is {value!r}"
                raise PluginError(
                    f"{title_of(component)}: {type(component).__name__}.{name} {state}",
                    f"Set it to {words}, in {inspect.getsourcefile(type(component))}.",
                )
