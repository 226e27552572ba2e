"""Finds an app's functions: imports its files and decides once how each function wants to be called."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from types import ModuleType
from typing import Any, Callable

#: How a function takes its arguments.
NOTHING, OBJECT, OBJECT_CONTEXT, CONTEXT = range(4)


class Function:
    """A loaded function: the callable, how it is called and where it may put."""

    __slots__ = ("name", "call", "shape", "into", "allowed", "is_async")

    def __init__(self, name: str, call: Callable[..., Any], into: "list[int]") -> None:
        self.name = name
        self.call = call
        self.shape = shape_of(call)
        self.into = into[0] if into else 1
        self.allowed = frozenset(into) | {1}
        self.is_async = inspect.iscoroutinefunction(call)


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


def find(module: ModuleType, name: str) -> Callable[..., Any]:
    """The function that an app in the module registers under `name`, else the attribute of that (dotted) name."""
    for value in list(vars(module).values()):
        if type(value).__module__ == "sluicegate._app" and hasattr(value, "functions"):
            spec = value.functions.get(name)
            if spec is not None and spec.call is not None:
                return spec.call
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise LookupError(f"{module.__name__} has no function {name!r}")
    return found


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


def _is_context(parameter: inspect.Parameter) -> bool:
    annotation = parameter.annotation
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return parameter.name in ("ctx", "context") or name.rpartition(".")[2] == "Context"
