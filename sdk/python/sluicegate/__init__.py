"""Sluicegate: functions that start when their data arrives.

Declare an app with :class:`App`; its functions are called with :class:`Object`, :class:`Event` and :class:`Context`.
Talk to a server with :class:`Client`. Nothing but the standard library is needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._app import App, Function
from ._client import ApiError, Client, Run, RunFailed
from ._conditions import Bucket, Condition, all_of as all, any_of as any, cron, event

if TYPE_CHECKING:
    from ._context import Context
    from ._event import Event
    from ._object import Object

__all__ = [
    "ApiError",
    "App",
    "Bucket",
    "Client",
    "Condition",
    "Context",
    "Event",
    "Function",
    "Object",
    "Run",
    "RunFailed",
    "all",
    "any",
    "cron",
    "event",
]

# What functions are called with is loaded at its first use: declaring an app does not need it.
_LAZY = {"Context": "._context", "Event": "._event", "Object": "._object"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module 'sluicegate' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
