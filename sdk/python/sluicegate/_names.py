"""Names of apps, buckets, functions and triggers, and the places where they are declared."""

from __future__ import annotations

import os
import re
import sys
from typing import NamedTuple

NAME_BYTES_MAX = 128
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")
_PACKAGE = os.path.dirname(os.path.abspath(__file__))


class Place(NamedTuple):
    """A file, by its absolute path, and a line in it, from 1."""

    file: str
    line: int


def check_name(kind: str, name: object) -> str:
    """The name, if it can name an app, a bucket, a function or a trigger."""
    if not isinstance(name, str):
        raise TypeError(f"the name of {kind} is a str, not {type(name).__name__}")
    if not _NAME.match(name) or len(name) > NAME_BYTES_MAX:
        raise ValueError(
            f"{name!r} cannot name {kind}: start with a letter or '_', go on with letters, digits, '_', '.' or '-', "
            f"at most {NAME_BYTES_MAX} characters"
        )
    return name


def caller() -> Place:
    """Where the nearest caller outside this package stands."""
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.dirname(os.path.abspath(frame.f_code.co_filename)) == _PACKAGE:
        frame = frame.f_back
    return Place(os.path.abspath(frame.f_code.co_filename), frame.f_lineno)
