"""Sluicegate: functions that start when their data arrives.

Declare an app with :class:`App`; its functions are called with :class:`Object`, :class:`Event` and :class:`Context`.
Talk to a server with :class:`Client`. Nothing but the standard library is needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._app import App
from ._conditions import Bucket, Condition, cron, event
from ._conditions import all_of as all
from ._conditions import any_of as any
from ._dag import Dag, Task, chain
from ._function import Function

if TYPE_CHECKING:
    from ._client import ApiError, Client, Run, RunFailed, UpdateFailed
    from ._context import Context
    from ._event import Event
    from ._object import Object
    from ._testing import TestApp, TestRun
    from ._workflow import CallFailed, WorkflowContext

__all__ = [
    "ApiError",
    "App",
    "Bucket",
    "CallFailed",
    "Client",
    "Condition",
    "Context",
    "Dag",
    "Event",
    "Function",
    "Object",
    "Run",
    "RunFailed",
    "Task",
    "TestApp",
    "TestRun",
    "UpdateFailed",
    "WorkflowContext",
    "all",
    "any",
    "chain",
    "cron",
    "event",
]

# Loaded at first use: declaring an app, which every start of a worker does, needs none of it.
_LAZY = {
    **dict.fromkeys(("ApiError", "Client", "Run", "RunFailed", "UpdateFailed"), "._client"),
    "Context": "._context",
    "Event": "._event",
    "Object": "._object",
    **dict.fromkeys(("CallFailed", "WorkflowContext"), "._workflow"),
    **dict.fromkeys(("TestApp", "TestRun"), "._testing"),
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module 'sluicegate' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
