"""``python3 -m sluicegate._describe FILE [APPNAME]``: prints the definition of the app in a file.

The definition goes to stdout as one JSON object. On any error the exit code is 3 and the last line of stderr is
``{"error": {"type", "message", "file", "line", "text", "stack"}}``. What the file prints while it is imported goes
to stderr.
"""

from __future__ import annotations

import importlib.util
import json
import linecache
import os
import sys
import traceback
from types import ModuleType
from typing import Any

from ._app import App
from ._function import Function

EXIT_ERROR = 3


class AppNotFound(Exception):
    """The file holds no app, several, or not the one that was asked for."""


def load(file: str) -> ModuleType:
    """Imports a file as the module of its name, with its folder first on the path."""
    path = os.path.abspath(file)
    if not os.path.isfile(path):
        raise FileNotFoundError(2, "No such file", path)
    name = os.path.splitext(os.path.basename(path))[0]
    sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise AppNotFound(f"{file} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def find_app(module: ModuleType, name: str | None = None) -> App:
    """The one app among a module's variables, or the one of that name."""
    apps = {id(value): value for value in vars(module).values() if isinstance(value, App)}.values()
    found = [app for app in apps if name is None or app.name == name]
    names = ", ".join(sorted(app.name for app in apps))
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        raise AppNotFound(f"the file holds several apps ({names}); name the one you mean, or keep one per file")
    if name is not None and names:
        raise AppNotFound(f"the file holds no app {name!r}, but {names}")
    raise AppNotFound('the file holds no app; add app = sluicegate.App("NAME") at its top level')


def describe_file(file: str, name: str | None = None) -> dict[str, Any]:
    """The definition of the app in a file, whose functions must be found again under their names."""
    module = load(file)
    app = find_app(module, name)
    root = os.path.dirname(os.path.realpath(file))
    for function in (*app.functions.values(), *app.workflows.values()):
        _check_found_again(function, module)
        _check_names_apart(function, app)
    return app.definition(root)


def _check_found_again(function: Function, module: ModuleType) -> None:
    if function.call is None or function.call.__module__ != module.__name__:
        return
    found: Any = module
    for part in function.call.__qualname__.split("."):
        found = getattr(found, part, None)
    if getattr(found, "__wrapped__", found) not in (function.call, getattr(function.call, "__wrapped__", None)):
        raise ValueError(
            f"{function.call.__qualname__!r} is no longer the function {function.name!r} (line {function.place.line}): "
            "another definition of the same name replaced it; rename one"
        )


def _check_names_apart(function: Function, app: App) -> None:
    """A worker looks a function up by its Python name, among the names in the app first."""
    name = function.call.__qualname__ if function.call is not None else function.name
    if app.functions.get(name, function) is not function:
        raise ValueError(
            f"{name!r} is the Python function of {function.name!r} (line {function.place.line}), but names another "
            "function of the app; give that one another name="
        )


def error_of(exception: BaseException, root: str) -> dict[str, Any]:
    """What went wrong, with the innermost place inside the app's folder."""
    frames = [frame for frame in traceback.extract_tb(exception.__traceback__) if _is_inside(frame.filename, root)]
    file, line = (frames[-1].filename, frames[-1].lineno) if frames else ("", None)
    text = linecache.getline(file, line or 0).rstrip("\n")
    message = str(exception)
    if isinstance(exception, SyntaxError):
        file, line, text = exception.filename or "", exception.lineno, (exception.text or "").rstrip("\n")
        message = exception.msg
    elif isinstance(exception, SystemExit):
        message = f"the file called exit({exception.code!r}) while it was imported"
    stack = "".join(traceback.format_list(frames)) + "".join(traceback.format_exception_only(exception))
    fields = {"message": message, "file": _shown(file, root), "line": line, "text": text, "stack": stack}
    return {"error": {"type": type(exception).__name__, **fields}}


def _is_inside(file: str, root: str) -> bool:
    return os.path.realpath(file).startswith(root + os.sep) and os.path.isfile(file)


def _shown(file: str, root: str) -> str:
    return os.path.relpath(os.path.realpath(file), root) if file and _is_inside(file, root) else file


def main(arguments: list[str]) -> int:
    """The command; see the head of this file."""
    if len(arguments) not in (1, 2):
        print("usage: python3 -m sluicegate._describe FILE [APPNAME]", file=sys.stderr)
        return 2
    answers = os.dup(1)
    os.dup2(2, 1)
    try:
        definition = describe_file(*arguments)
        text = json.dumps(definition)
    except BaseException as exception:
        sys.stdout.flush()
        root = os.path.dirname(os.path.realpath(arguments[0]))
        print(json.dumps(error_of(exception, root)), file=sys.stderr, flush=True)
        return EXIT_ERROR
    sys.stdout.flush()
    with os.fdopen(answers, "w", encoding="utf-8") as stdout:
        stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    # A thread that the app's file started must not keep the command alive.
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
