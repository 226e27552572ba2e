"""The bundle: the files that go along when an app is deployed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from ._app import App

#: Most bytes of all files of a bundle.
BUNDLE_BYTES_MAX = 64 * 1024 * 1024
#: Most files of a bundle.
BUNDLE_FILES_MAX = 2_000
#: Folders that are no part of an app; nor is anything whose name starts with a dot.
SKIPPED = frozenset({"__pycache__", "target", "node_modules"})
#: Files that tell the data directory of a server, which is no part of an app either.
DATA_DIRECTORY = ("VERSION", "LOCK", "log")


def load_bundle(app_or_path: App | str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The definition of an app, or of the app in a Python file, and its files by relative path."""
    if isinstance(app_or_path, App):
        file = app_or_path.place.file
        root = os.path.dirname(os.path.realpath(file))
        return app_or_path.definition(root), bundle_files(file)
    file = os.fspath(app_or_path)
    if not file.endswith(".py"):
        raise ValueError(f"{file!r} is not a Python file; deploy a manifest with `sluice deploy {file}`")
    return _described(file), bundle_files(file)


def bundle_files(file: str) -> dict[str, bytes]:
    """The files in the folder of the app's file, or that file alone when they are too many or too large."""
    file = os.path.realpath(file)
    root = os.path.dirname(file)
    files: dict[str, bytes] = {}
    size = 0
    for path in _walk(root):
        size += os.path.getsize(path)
        if size > BUNDLE_BYTES_MAX or len(files) >= BUNDLE_FILES_MAX:
            warnings.warn(
                f"{root} holds more than {BUNDLE_BYTES_MAX >> 20} MiB or {BUNDLE_FILES_MAX} files: only "
                f"{os.path.basename(file)} is deployed; give the app a folder of its own if it needs others",
                stacklevel=3,
            )
            return {os.path.basename(file): _read(file)}
        files[os.path.relpath(path, root).replace(os.sep, "/")] = _read(path)
    return files


def _walk(root: str) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        if folder != root and all(os.path.exists(os.path.join(folder, name)) for name in DATA_DIRECTORY):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not name.startswith(".") and os.path.isfile(path):
                yield path


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _described(file: str) -> dict[str, Any]:
    """Described by a process of its own: importing the app must not change this one."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "sluicegate._describe", file]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    if done.returncode == 0:
        definition: dict[str, Any] = json.loads(done.stdout)
        return definition
    last = done.stderr.strip().rsplit("\n", 1)[-1]
    try:
        error = json.loads(last)["error"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{file} cannot be read: {last}") from None
    where = f"{error['file']}:{error['line']}: " if error["line"] else ""
    raise ValueError(f"{where}{error['type']}: {error['message']}")
