"""Settings of functions, checked where they are declared."""

from __future__ import annotations

import re
from typing import Any

from ._duration import duration

_SIZE = re.compile(r"\d+(\.\d+)?\s*([kmgt]i?)?b\Z", re.IGNORECASE)
_CHOICES = {"network": ("host", "none"), "visibility": ("put", "commit"), "scope": ("run", "app")}
_RETRY_KEYS = {"max", "initial", "backoff", "max_delay", "jitter"}
_KNOWN = {
    "command", "module", "fresh", "workflow", "retries", "timeout", "rerun_after", "memory", "cpu", "network", "env",
    "visibility", "streams", "concurrency", "warm", "scope", "optional",
}  # fmt: skip


def check_settings(settings: dict[str, Any]) -> None:
    """Raises TypeError or ValueError for the first setting that cannot be; None means "not given"."""
    for key, value in settings.items():
        if key not in _KNOWN:
            raise TypeError(f"{key!r} is not a setting of a function; known are {', '.join(sorted(_KNOWN))}")
        if value is not None:
            _check(key, value)


def _check(key: str, value: Any) -> None:
    if key in _CHOICES:
        if value not in _CHOICES[key]:
            raise ValueError(f"{key} is {' or '.join(map(repr, _CHOICES[key]))}, not {value!r}")
    elif key in ("timeout", "rerun_after"):
        duration(key, value)
    elif key == "retries":
        _check_retries(value)
    elif key == "memory":
        _check_memory(value)
    elif key == "cpu":
        if not _is_number(value) or not 0.001 <= value <= 1024:
            raise ValueError(f"cpu is a number of cores between 0.001 and 1024, not {value!r}")
    elif key == "streams":
        if not isinstance(value, bool):
            raise TypeError(f"streams is True or False, not {value!r}")
    elif key in ("concurrency", "warm"):
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{key} is a whole number, 0 or more, not {value!r}")
    elif key == "env":
        if not isinstance(value, dict) or not all(isinstance(part, str) for item in value.items() for part in item):
            raise TypeError('env is a dict of str to str, such as {"LANG": "C"}')


def _check_retries(value: Any) -> None:
    if isinstance(value, dict):
        unknown = set(value) - _RETRY_KEYS
        if unknown:
            raise ValueError(f"retries has no {min(unknown)!r}; known are {', '.join(sorted(_RETRY_KEYS))}")
        value = value.get("max", 0)
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("retries is the number of tries after the first failed one, or a dict with max, initial, …")
    if not 0 <= value < 1000:
        raise ValueError(f"retries is between 0 and 999, not {value}")


def _check_memory(value: Any) -> None:
    if isinstance(value, str) and not _SIZE.match(value):
        raise ValueError(f'memory={value!r} is not a size; write bytes or a text such as "256MiB"')
    if not isinstance(value, str) and (not isinstance(value, int) or isinstance(value, bool)):
        raise TypeError('memory is a number of bytes or a text such as "256MiB"')


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
