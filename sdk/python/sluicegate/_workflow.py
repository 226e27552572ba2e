"""What a workflow written as code sees: its context, and how calls fail."""

from __future__ import annotations

import asyncio
import datetime
import json
import math
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from ._duration import Span, seconds
from ._values import Encoded
from ._wire import JSON

if TYPE_CHECKING:
    from ._instance import Chance, Instance


class CallFailed(Exception):
    """A function that a workflow called is out of attempts.

    :ivar function: its name.
    :ivar type: the exception's type, or what happened to the worker, such as ``TimedOut``.
    :ivar message: the exception's message.
    :ivar stack: the traceback, or the last lines of what the worker wrote.
    :ivar attempts: how often it was tried.
    """

    def __init__(self, function: str, type: str, message: str, stack: str = "", attempts: int = 1) -> None:
        super().__init__(f"{function or 'the workflow that was called'} failed: {type}: {message}")
        self.function, self.type, self.message, self.stack, self.attempts = function, type, message, stack, attempts

    @classmethod
    def of(cls, told: dict[str, Any]) -> CallFailed:
        """From what the server tells."""
        return cls(told["function"], told["type"], told["message"], told["stack"], told["attempts"])


class WorkflowContext:
    """What a workflow is called with, beside its input.

    Whatever it awaits survives crashes: another worker tells the code everything again and it goes on where it was. So
    the code must do the same each time. Time, chance and ids come from here, and all else that may differ from one time to
    the next from :meth:`record` or from a function.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    @property
    def run(self) -> str:
        """Id of the run."""
        return self._instance.run

    @property
    def state(self) -> Any:
        """What the workflow gave to its last :meth:`checkpoint`, as JSON and the like give it back; None before the first."""
        return self._instance.state

    async def checkpoint(self, state: Any) -> None:
        """Remembers a state from which the workflow can go on: a worker that has lost it starts the code from its top, where
        :attr:`state` is this, and tells it only what has happened since.

        So the code must want the same things whether it goes on from here or starts with this state. What it has made must
        have come to an end: calls, timers, tasks of its own; updates under way are waited for. Events that nobody has taken
        yet stay. Once the run is cancelled there are no further checkpoints, and this does nothing.

        :param state: what a function may return: JSON, text, bytes, arrays, of any size.
        """
        await self._instance.checkpoint(state)

    def call(self, function: Any, value: Any = None) -> Awaitable[Any]:
        """Calls a function of the app with a value and gives what it returns.

        The call is made at once; awaiting it waits for its end. Raises :class:`CallFailed` when the function is out of
        attempts. Cancelling what is awaited stops the function.
        """
        return self._instance.wait_for(f"call {self._instance.names.function(function)}", value)

    def call_workflow(self, workflow: Any, input: Any = None) -> Awaitable[Any]:
        """Runs a workflow of the app, a run of its own, and gives its output.

        It starts at once; awaiting it waits for its end. Raises :class:`CallFailed` when it failed or was cancelled.
        Cancelling what is awaited cancels the run. Its input and its output are JSON or text.
        """
        return self._instance.wait_for(f"workflow {self._instance.names.workflow(workflow)}", as_json(input))

    async def map(self, function: Any, values: Iterable[Any], concurrency: int | None = None) -> list[Any]:
        """Calls a function with each value, and gives the results in the order of the values.

        :param concurrency: most calls at once; no limit by default. When one fails the others are stopped.
        """
        values = list(values)
        if concurrency is not None and (not isinstance(concurrency, int) or concurrency < 1):
            raise ValueError(f"concurrency is a whole number of calls, 1 or more, not {concurrency!r}")
        if concurrency is None or concurrency >= len(values):
            return await self.gather(*(self.call(function, value) for value in values))
        results: list[Any] = [None] * len(values)
        left = iter(enumerate(values))

        async def work() -> None:
            for index, value in left:
                results[index] = await self.call(function, value)

        await self.gather(*(work() for _ in range(concurrency)))
        return results

    async def gather(self, *awaitables: Awaitable[Any]) -> list[Any]:
        """Waits for all and gives their results in order. When one fails the others are cancelled."""
        futures = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
        try:
            return list(await asyncio.gather(*futures))
        except BaseException:
            await _cancel(futures)
            raise

    async def first(self, *awaitables: Awaitable[Any]) -> Any:
        """Waits until one is done, cancels the others, and gives what that one came to. Of several that are done at
        once, the one that was given first counts."""
        if not awaitables:
            raise ValueError("first of nothing")
        futures = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
        try:
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
            winner = next(future for future in futures if future.done())
        finally:
            await _cancel(futures)
        return winner.result()

    async def sleep(self, duration: Span) -> None:
        """Waits: seconds, a text such as ``"5m"`` or a `timedelta`, up to 100 years. Below 0 it is over at once."""
        await self._instance.sleep(seconds("duration", duration, -math.inf))

    async def wait_event(self, name: str, timeout: Span | None = None) -> Any:
        """The data of the oldest signal of that name that was not taken yet, or of the next one.

        :param timeout: raises `TimeoutError` after so much time: seconds, a text such as ``"5m"`` or a `timedelta`. Below
            0 it is over at once.
        """
        most = None if timeout is None else seconds("timeout", timeout, -math.inf)
        signal = self._instance.next_signal(name)
        if most is None or signal.done():
            return await signal
        timer = self._instance.sleep(most)
        await asyncio.wait([signal, timer], return_when=asyncio.FIRST_COMPLETED)
        if signal.done():
            timer.cancel()
            return signal.result()
        signal.cancel()
        # Journals may hold what code made of this message: it stays as it is.
        raise TimeoutError(f"no event {name!r} within {timeout}{'' if isinstance(timeout, str) else ' s'}")

    def put(self, bucket: Any, key: str, value: Any) -> Awaitable[Any]:
        """Puts an object into a bucket of the run, where triggers see it. Raises :class:`CallFailed` when the key holds
        another object."""
        return self._instance.wait_for(f"put {getattr(bucket, 'bucket_name', bucket)} {key}", value)

    def emit(self, type: str, data: Any = None) -> Awaitable[Any]:
        """Emits an event: triggers of the app and of the run hear it."""
        return self._instance.wait_for(f"emit {type}", data)

    def on_query(self, name: str, handler: Callable[..., Any]) -> None:
        """Has questions of that name answered: ``handler()``, or ``handler(value)`` if a value comes with the question.

        Anybody may ask at any time, also when the run has ended: ``Run.query``, ``sluice runs query``. The handler only
        reads what the workflow knows.
        """
        self._instance.queries[name] = handler

    def on_update(self, name: str, handler: Callable[..., Any]) -> None:
        """Has updates of that name performed: ``handler()``, or ``handler(value)``, which may be ``async`` and do all that a
        workflow does.

        Whoever asks (``Run.update``, ``sluice runs update``) gets what it returns, or raises. An update is performed
        once, whatever crashes; one that comes before its handler waits for it.
        """
        self._instance.on_update(name, handler)

    def record(self, name: str, compute: Callable[[], Any]) -> Any:
        """Computes a value once: when the code runs again, it gets that same value without computing it.

        For what differs from one time to the next and takes no time, such as reading a setting. After a crash in this
        very moment it may be computed twice; what others see belongs into a function.
        """
        return self._instance.remember(name, compute)

    def patched(self, name: str) -> bool:
        """Whether the code is to go the new way at a change of that name: False where a run has been before it had this
        code, True wherever it comes after that. Once it is True in a run it stays True.

        For a change that must reach runs which are under way: ``sluice deploy --move``. Others keep the version that they
        were started with.
        """
        return self._instance.takes_change(name)

    def now(self) -> datetime.datetime:
        """The time, in UTC, at which what the workflow goes on with has happened."""
        return datetime.datetime.fromtimestamp(self._instance.now_ms / 1000, datetime.timezone.utc)

    def time(self) -> float:
        """The same as :meth:`now`, in seconds since 1970."""
        return self._instance.now_ms / 1000

    @property
    def random(self) -> Chance:
        """A generator of random numbers that gives the same ones when the code runs again, as `random.Random` has them;
        `ctx.random()` is one from 0 up to 1."""
        return self._instance.random

    def uuid4(self) -> uuid.UUID:
        """A random id, the same when the code runs again."""
        return uuid.UUID(int=self._instance.random.getrandbits(128), version=4)


def as_json(value: Any) -> Any:
    """A value as JSON, text too."""
    return Encoded(JSON, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


async def _cancel(futures: list[Any]) -> None:
    left = [future for future in futures if not future.done()]
    for future in left:
        future.cancel()
    if left:
        await asyncio.wait(left)
