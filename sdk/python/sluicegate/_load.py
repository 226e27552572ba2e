"""Finds an app's functions: imports its files and decides once how each function wants to be called."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import re
import sys
from types import ModuleType
from typing import Any, Callable

from ._wire import COUNTED_NS_MAX

#: Annotations of parameters that take what a function is called with as it is.
_WHOLE = re.compile(r"\b(Object|Event|Context)\b|^(typing\.)?Any$|^object$")
#: How a function takes its arguments.
NOTHING, OBJECT, OBJECT_CONTEXT, CONTEXT, TURN = range(5)


class Function:
    """A loaded function: the callable, how it is called and where it may put."""

    __slots__ = ("name", "call", "shape", "into", "puts", "streams", "is_async", "ending_ns", "takes_value")

    def __init__(
        self, name: str, call: Callable[..., Any], into: "list[int]", buckets: "list[str]", streams: "list[int]" = []
    ) -> None:
        self.name = name
        self.call = call
        self.shape = shape_of(call)
        #: Whether it is called with what an object holds, not with the object.
        self.takes_value = takes_value(call)
        self.into = into[0] if into else 1
        #: Where it may put: buckets by name.
        self.puts = {buckets[index]: index for index in {1, *into}}
        #: Buckets whose objects others read while they are written.
        self.streams = frozenset(streams)
        self.is_async = inspect.iscoroutinefunction(call)
        #: How long its calls go on after their first put, on average over about eight; see `Worker.show`.
        self.ending_ns = COUNTED_NS_MAX


def load_module(bundle: str, path: str) -> ModuleType:
    """Imports a file of the bundle; a file inside packages as part of them."""
    name = os.path.splitext(path)[0].replace(os.sep, ".")
    file = os.path.join(bundle, path)
    package = name.rpartition(".")[0]
    if package and os.path.exists(os.path.join(os.path.dirname(file), "__init__.py")):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module


def find(module: ModuleType, call: str, name: str) -> Callable[..., Any]:
    """The function of an app in the module that is registered as `name`, else what the dotted path `call` leads to."""
    for app in apps_of(module):
        declared = app.functions.get(name) or app.workflows.get(name)
        found = getattr(declared, "call", None)
        if found is not None and getattr(found, "__qualname__", call) == call:
            return found
    found = module
    for part in call.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise LookupError(f"{module.__name__} has no function {call!r}")
    return found


def apps_of(module: ModuleType) -> "list[Any]":
    """The apps that a module declares."""
    return [value for value in vars(module).values() if _is_app(value)]


def _is_app(value: Any) -> bool:
    return type(value).__name__ == "App" and isinstance(getattr(value, "functions", None), dict)


def shape_of(call: Callable[..., Any]) -> int:
    """Whether a function takes the object, the context, both or nothing."""
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        return OBJECT  # built-in functions say nothing about themselves
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return OBJECT if not positional else OBJECT_CONTEXT
    if not positional:
        return NOTHING
    if _is_context(positional[0]):
        return CONTEXT
    required = [p for p in positional if p.default is p.empty]
    if len(positional) > 1 and (_is_context(positional[1]) or len(required) > 1):
        return OBJECT_CONTEXT
    return OBJECT


def takes_value(call: Callable[..., Any]) -> bool:
    """Whether the first parameter is annotated with something else than what functions are called with."""
    try:
        first = next(iter(inspect.signature(call).parameters.values()), None)
    except (TypeError, ValueError):
        return False
    if first is None or first.annotation is first.empty:
        return False
    annotation = first.annotation
    if not isinstance(annotation, str):
        plain = isinstance(annotation, type) and not hasattr(annotation, "__origin__")
        annotation = annotation.__name__ if plain else str(annotation)
    return not _WHOLE.search(annotation)


def _is_context(parameter: inspect.Parameter) -> bool:
    annotation = parameter.annotation
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return parameter.name in ("ctx", "context") or name.rpartition(".")[2] == "Context"
