"""Calling what somebody else wrote: whatever goes wrong in a component becomes one message that names it.

Every call of a component's method goes through :func:`call`; or, where a message can say more of what was asked,
through :func:`name_component` and :func:`check_answer`. What a built network does is in :mod:`kdkit.engine.guard`.
"""

from __future__ import annotations

import contextlib
import inspect
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from kdkit.contracts.component import Component, Origin, origin_of
from kdkit.contracts.vocabulary import Case
from kdkit.errors import KdkitError, PluginError
from kdkit.plugins.answers import expected_answer, show_value
from kdkit.plugins.guard import describe_error, pass_on_interruption
from kdkit.sample import Sample

if TYPE_CHECKING:
    import torch

P = ParamSpec("P")
R = TypeVar("R")

_KDKIT = str(Path(__file__).parents[1])
_LIBRARIES = (_KDKIT, *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")))
_BUILDERS: WeakKeyDictionary[torch.nn.Module, Component] = WeakKeyDictionary()


def call(method: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """What a component's method gives, an iterator gone through to its end.

    Raises :class:`KdkitError` for whatever goes wrong in it, and :class:`PluginError` for an answer that is not what
    the contract says: either names the component, its plugin, the method, the sample, and the line of its code.
    """
    component: Component = method.__self__  # type: ignore[attr-defined]
    with name_component(component, f"failed in {method.__name__}(){_subject('on', arguments)}"):
        answer = method(*arguments, **named)
        if isinstance(answer, Iterator):
            answer = iter(list(answer))  # type: ignore[assignment]  # its errors come now, and not at the reader
    return check_answer(method, answer, *arguments)


def check_answer(method: Callable[..., Any], answer: R, *arguments: Any) -> R:
    """The answer of a component's method; raises :class:`PluginError` unless it is what the contract says."""
    component: Component = method.__self__  # type: ignore[attr-defined]
    seen = list(answer) if isinstance(answer, Iterator) else answer
    expected = expected_answer(component, method.__name__, seen)
    if expected:
        raise PluginError(
            f"{title_of(component)}: {method.__name__}() gives {show_value(seen)}{_subject('for', arguments)}",
            f"Have it give {expected}; it begins in {_beginning_of(method)}",
        )
    if method.__name__ == "build":
        _BUILDERS[answer] = component  # type: ignore[index]
    return iter(seen) if isinstance(answer, Iterator) else answer  # type: ignore[return-value, arg-type]


def builder_of(network: Any) -> Component | None:
    """The component that has built a network, where it was asked for it by :func:`call`."""
    try:
        return _BUILDERS.get(network)
    except TypeError:  # no network: a function, say
        return None


@contextlib.contextmanager
def name_component(component: Component | type[Component], failure: str, remedy: str = "") -> Iterator[None]:
    """Raise whatever goes wrong in a component's own code as one error: which one, of which plugin, and where.

    ``failure``: what did not work, as the end of the sentence "the metric dice ...". What the component says on
    purpose, by a :class:`KdkitError`, stays as it is.
    """
    try:
        yield
    except KdkitError:
        raise
    except BaseException as error:
        pass_on_interruption(error)
        raise KdkitError(
            f"{title_of(component)} {failure}: {describe_error(error)}", place_of(error, remedy, component)
        ) from error


def blame(error: BaseException) -> KdkitError | None:
    """The same of an error that nobody has named, by the innermost component on its way; None if there is none."""
    while error.__traceback__ is None and error.__cause__ is not None:
        error = error.__cause__
    culprit = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        owner = frame.f_locals.get("self")
        component = owner if isinstance(owner, Component) else builder_of(owner)
        if component is not None and _package(frame.f_globals.get("__name__", "")) == _package_of(component):
            culprit = component, frame.f_code.co_name
    if culprit is None:
        return None
    component, method = culprit
    message = f"{title_of(component)} failed in {method}(): {describe_error(error)}"
    return KdkitError(message, place_of(error, component=component))


def title_of(component: Component | type[Component]) -> str:
    """Kind, name and plugin of a component, as messages name them."""
    own = getattr(component, "origin", None)
    origin = (
        own if isinstance(own, Origin) else origin_of(component if isinstance(component, type) else type(component))
    )
    source = f" ({origin.distribution} {origin.distribution_version})" if origin.distribution else ""
    return f"the {component.kind} {origin.name}{source}"


def place_of(error: BaseException, remedy: str = "", component: Component | type[Component] | None = None) -> str:
    """Where in an author's code an error arose, as a remedy; ``remedy`` is what to know beside it.

    That is the last line of the ``component``'s package, or where it was never there, the beginning of its class;
    without one it is the last of what is neither kdkit's nor a library's, else of all.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    places = traceback.extract_tb(error.__traceback__)
    package = _package_of(component) if component is not None else ""
    of_package = [
        place
        for frame, place in zip(frames, places, strict=True)
        if package and _package(frame.f_globals.get("__name__", "")) == package
    ]
    chosen = of_package or own_frames(error)
    if not chosen and component is not None and (beginning := _beginning_of_class(component)):
        where = f"Its class begins in {beginning}"
    else:
        chosen = chosen or places
        where = f"It happened in {chosen[-1].filename}, line {chosen[-1].lineno}" if chosen else ""
    return f"{where}; {remedy}" if where and remedy else where or remedy


def own_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The lines on an error's way that are neither kdkit's nor an installed library's."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if not frame.filename.startswith((*_LIBRARIES, "<"))]


def _beginning_of_class(component: Component | type[Component]) -> str:
    cls = component if isinstance(component, type) else type(component)
    try:
        return f"{inspect.getsourcefile(cls)}, line {inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):  # made without a file
        return ""


def _package_of(component: Component | type[Component]) -> str:
    return _package((component if isinstance(component, type) else type(component)).__module__)


def _package(module: str) -> str:
    return module.partition(".")[0]


def _subject(word: str, arguments: Sequence[Any]) -> str:
    """What was asked about, as the end of a sentence; "" where the arguments name nothing."""
    for argument in arguments:
        if isinstance(argument, Case):
            argument = argument.sample
        if isinstance(argument, Sample):
            return f" {word} {argument.info.get('name', 'a sample')}"
        if isinstance(argument, Path):
            return f" {word} {argument}"
        if isinstance(argument, list | tuple) and len(argument) == 1:
            return _subject(word, argument)
    return ""


def _beginning_of(method: Callable[..., Any]) -> str:
    code = inspect.unwrap(method).__code__
    return f"{code.co_filename}, line {code.co_firstlineno}"
