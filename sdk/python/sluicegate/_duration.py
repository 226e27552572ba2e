"""Durations: numbers of seconds, or texts such as ``"500ms"``, ``"30s"``, ``"5m"``, ``"1h"``, ``"2d"``."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    import datetime

Duration = Union[int, float, str]
#: What code that waits takes as well.
Span = Union[Duration, "datetime.timedelta"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\Z")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def duration(what: str, value: Duration | None) -> Duration | None:
    """A positive number of seconds or a text with a unit, checked."""
    if value is None:
        return None
    if isinstance(value, str):
        _parsed(what, value)
    elif not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f'{what} is a number of seconds or a text such as "30s", not {type(value).__name__}')
    elif not 0 < value < math.inf:
        raise ValueError(f"{what} must be more than 0 seconds, not {value!r}")
    return value


def seconds(what: str, value: Span, least: float = 0) -> Any:
    """A span in seconds: ``least`` or more, and not without end. Numbers stay as they are."""
    if isinstance(value, str):
        return _parsed(what, value)
    # Nothing here needs the time that importing `datetime` takes.
    if hasattr(value, "total_seconds"):
        number: Any = value.total_seconds()
    elif hasattr(value, "__float__") and not isinstance(value, bool):
        number = value
    else:
        raise TypeError(
            f'{what} is a number of seconds, a text such as "30s" or a timedelta, not {type(value).__name__}'
        )
    if not least <= number < math.inf or number == -math.inf:
        bound = "a finite number of seconds" if least < 0 else "0 seconds or more, and finite"
        raise ValueError(f"{what} must be {bound}, not {value!r}")
    return number


def _parsed(what: str, text: str) -> float:
    found = _DURATION.match(text)
    if found is None:
        raise ValueError(f"{what}={text!r} is not a duration; write for example 500ms, 30s, 5m, 1h or 2d")
    return float(found[1]) * _SECONDS[found[2]]
