"""What an app holds: declared functions and triggers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._conditions import Bucket, Condition, FunctionLike
    from ._names import Place


@dataclass
class Function:
    """A declared function."""

    name: str
    #: The Python function itself; None for other runtimes.
    call: Callable[..., Any] | None
    #: ``python``, ``exec``, ``wasm`` or ``process``.
    runtime: str
    on: Condition | None
    into: list[Bucket]
    #: The other keys of the definition: command, module, timeout, retries, …
    settings: dict[str, Any]
    place: Place


@dataclass
class Trigger:
    """A trigger beyond those that functions carry in ``on``."""

    on: Condition
    invoke: list[FunctionLike]
    settings: dict[str, Any]
    place: Place
