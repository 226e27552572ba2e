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
    #: ``python``, ``exec``, ``wasm``, ``process`` or ``workflow``.
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


@dataclass
class StateMachine:
    """A declared state machine."""

    name: str
    #: A file beside the app, or the definition itself.
    steps: str | dict[str, Any]
    aws_limits: bool
    place: Place

    def describe(self) -> dict[str, Any]:
        """Its definition."""
        described: dict[str, Any] = {"file" if isinstance(self.steps, str) else "asl": self.steps}
        return {**described, "aws_limits": True} if self.aws_limits else described
