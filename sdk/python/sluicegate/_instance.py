"""A workflow under way in a worker: it is told what has happened, and wants something done.

docs/reference/workflow-protocol.md has the form of both. What it has wanted before, when it is told everything again,
is compared with what the journal holds, and not wanted a second time.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any, Union
from zlib import crc32

from ._failure import Reported, stack_of
from ._loop import Loop
from ._values import Encoded, encode
from ._wire import BYTES
from ._workflow import CallFailed, WorkflowContext

if TYPE_CHECKING:
    from ._turns import Names


#: What comes before commands of the journal, and before those that are to be put once more.
WANTED, AGAIN = ("= ", "+ "), "+ "
#: What comes before a command without a value.
NO_DIGEST = "00000000 "
#: What a journal begins with that does not begin at the start of the workflow.
CHECKPOINT = "checkpoint "
#: The question that every workflow answers: what it waits for that is no command.
WAITING = "sluice.waiting"
#: Most events that the answer names.
WAITING_MAX = 100


class Diverged(Exception):
    """The code did not want what it had wanted when it ran before."""


class Future(asyncio.Future):  # type: ignore[type-arg]
    """What a command comes to. Cancelling it takes the command back."""

    __slots__ = ("instance", "number", "command")

    #: Whose command it is, which one, and what it says. Set by `Instance.wait_for`: an initialiser takes as long as all else.
    instance: Instance
    number: int
    command: str

    def cancel(self, msg: Any = None) -> bool:
        cancelled = super().cancel(msg)
        if cancelled:
            self.instance.forget(self.number)
        return cancelled


class Chance(random.Random):
    """A generator of random numbers; called, it gives one from 0 up to 1."""

    def __call__(self) -> float:
        return self.random()


class Instance:
    """One workflow, from its start on.

    :param call: the workflow's code.
    :param seed: what its chance follows from.
    """

    def __init__(self, call: Callable[..., Any], run: str, names: Names, seed: int) -> None:
        self.call, self.run, self.names = call, run, names
        self.loop = Loop(self)
        self._seed = seed
        #: What chance follows from since the last checkpoint, and chance itself once somebody has asked for it.
        self._chance_seed: int | str = seed
        self._chance: Chance | None = None
        self.now_ms = 0
        #: What the last checkpoint keeps.
        self._saved: Encoded | None = None
        #: Entries that it was told, in all.
        self._told = 0
        #: The number of the turn that it has seen last.
        self.turn = -1
        #: What this turn wants, as (key, content type code, content type, bytes).
        self.commands: list[tuple[str, int, Union[str, None], Any]] = []
        #: What it wanted when it ran before and has not wanted again yet: keys, values to be remembered, and whether it is
        #: to be put once more.
        self.expected: deque[tuple[str, Any, bool]] = deque()
        self._number = 0
        self._waiting: dict[int, Future] = {}
        self._signals: dict[str, deque[Any]] = {}
        self._listeners: dict[str, deque[asyncio.Future[Any]]] = {}
        #: Changes at which it has gone the new way.
        self._changes: set[str] = set()
        #: What answers questions and what performs updates, by name; updates that came before there was a handler.
        self.queries: dict[str, Callable[..., Any]] = {}
        self.updates: dict[str, Callable[..., Any]] = {}
        self._early: dict[str, list[tuple[str, Any]]] = {}
        self._performing: set[asyncio.Task[Any]] = set()
        self._is_asked = False
        self._main: asyncio.Task[Any] | None = None
        self._diverged: Diverged | None = None
        #: Whether it has ended; whether this worker no longer runs it.
        self.is_over = self.is_gone = False
        self._is_cancelled = False

    def go_on(self, lines: list[tuple[str, Any]]) -> None:
        """A turn: tells what has happened, one after the other, each until nothing more follows from it."""
        for key, value in lines:
            if self.is_over:
                return
            at_ms, _, news = key.partition(" ")
            if at_ms == "run":
                self.run = news
                continue
            self.now_ms = int(at_ms)
            self._told += 1
            self._tell(news, value)
            self.loop.run_ready()
            main = self._main
            if main is not None and main.done() and self._diverged is None:
                self._finish(main)
            if self._diverged is not None:
                raise self._diverged

    def begin(self, lines: list[tuple[str, Any]]) -> None:
        """The first turn of an instance: the journal, which may hold what was wanted before."""
        old = 0
        if lines[0][0].startswith(CHECKPOINT):
            self._begin_again(*lines[0])
            lines, old = lines[1:], 1
        wanted = [index for index, (key, _) in enumerate(lines) if key.startswith(WANTED)]
        self.expected.extend((lines[at][0][2:], lines[at][1], lines[at][0].startswith(AGAIN)) for at in wanted)
        if wanted:
            old = wanted[-1] + 1
        # What it has printed in turns that have ended was shown then.
        with redirect_stdout(StringIO()) if old else nullcontext():
            self.go_on([line for line in lines[:old] if not line[0].startswith(WANTED)])
        self.go_on(lines[old:])
        if self.expected:
            raise Diverged(f"{_step(self._number)}: expected {_shown(self.expected[0][0])}, but the code wants nothing")

    async def _run_code(self, input: Any) -> Any:
        """The code. What calling it raises is raised by the run, as what it raises later."""
        return await self.call(WorkflowContext(self), input)

    def _tell(self, news: str, value: Any) -> None:
        verb, _, rest = news.partition(" ")
        if verb == "done" or verb == "failed":
            future = self._waiting.pop(int(rest), None)
            if future is None or future.done():
                return
            if verb == "done":
                future.set_result(value)
            else:
                future.set_exception(CallFailed.of(value))
        elif verb == "start":
            self._main = self.loop.create_task(self._run_code(value))
        elif verb == "signal":
            self._signal(rest, value)
        elif verb == "update":
            id, _, name = rest.partition(" ")
            self._update(id, name, value)
        elif verb == "cancel":
            self._is_cancelled = True
            if self._main is not None:
                self._main.cancel(value)

    def _signal(self, name: str, value: Any) -> None:
        listeners = self._listeners.get(name)
        while listeners:
            listener = listeners.popleft()
            if not listener.done():
                listener.set_result(value)
                return
        self._signals.setdefault(name, deque()).append(value)

    def _finish(self, main: asyncio.Task[Any]) -> None:
        self.is_over = True
        if main.cancelled():
            if self._is_cancelled:
                self._want("stopped")
            else:
                self._want("fail", {"type": "CancelledError", "message": "the workflow cancelled itself", "stack": ""})
            return
        error = main.exception()
        if error is None:
            try:
                self._want("return", main.result())
                return
            except TypeError as unserialisable:
                error = unserialisable
        message, stack = str(error), stack_of(error)
        self._want("fail", {"type": type(error).__name__, "message": message, "stack": stack})

    def _want(self, key: str, value: Any = None) -> int:
        """Adds a command and gives its number; one that was wanted before is only compared."""
        if self._is_asked:
            raise RuntimeError("a question changes nothing: its handler only reads")
        if self.is_gone or self._diverged is not None:
            raise asyncio.CancelledError("this worker no longer runs the workflow")
        if value is None:
            code, data, other = BYTES, b"", None
            key = NO_DIGEST + key
        else:
            code, data, other = encode(value)
            key = f"{crc32(data):08x} {key}"
        number = self._number
        is_put = True
        if self.expected:
            expected, _, is_put = self.expected.popleft()
            if expected != key:
                wanted = _shown(key, expected)
                self._diverged = Diverged(f"{_step(number)}: expected {_shown(expected)}, the code wants {wanted}")
                raise self._diverged
        if is_put:
            self.commands.append((key, code, other, data))
        self._number = number + 1
        return number

    def wait_for(self, key: str, value: Any = None) -> Future:
        """What a command comes to."""
        number = self._want(key, value)
        future = self._waiting[number] = Future(loop=self.loop)
        future.instance, future.number, future.command = self, number, key
        return future

    def sleep(self, seconds: float) -> Future:
        """Done when so much time has passed: at once below 0, when it is over."""
        return self.wait_for(f"sleep {max(0, round(seconds * 1000))}")

    def forget(self, number: int) -> None:
        """Takes a command back that is not done."""
        if self._waiting.pop(number, None) is not None and not self.is_gone and not self.is_over:
            self._want(f"cancel {number}")

    def remember(self, name: str, compute: Callable[[], Any]) -> Any:
        """A value that is computed once, also when the code runs again."""
        if self.expected:
            key, value, _ = self.expected[0]
            if key.partition(" ")[2] == f"record {name}":
                self.expected.popleft()
                self._number += 1
                return value
        value = compute()
        self._want(f"record {name}", value)
        return value

    def takes_change(self, name: str) -> bool:
        """Whether the code goes the new way at a change: where it has not been before the change was made, and from then
        on."""
        if name in self._changes:
            return True
        if self.expected and self.expected[0][0] != f"{NO_DIGEST}patch {name}":
            return False
        self._want(f"patch {name}")
        self._changes.add(name)
        return True

    @property
    def random(self) -> Chance:
        """Chance. Seeding it takes long, and most workflows leave nothing to it."""
        if self._chance is None:
            self._chance = Chance(self._chance_seed)
        return self._chance

    @property
    def state(self) -> Any:
        """What the workflow gave to its last checkpoint; each time anew, so that nobody changes it."""
        return None if self._saved is None else self._saved.value["state"]

    async def checkpoint(self, state: Any) -> None:
        """Remembers a state from which the code can go on when it starts from its top."""
        if asyncio.current_task() is not self._main:
            raise RuntimeError("only the workflow itself takes checkpoints, no task and no update of it: it starts there again")
        if self._is_cancelled:
            return
        while self._performing:
            await asyncio.wait(self._performing)
        under_way = [f"`{future.command}`" for future in self._waiting.values()]
        under_way += [f"task {task.get_name()}" for task in self.loop.tasks if task is not self._main and not task.done()]
        if under_way:
            raise RuntimeError(f"await what is under way before a checkpoint: {', '.join(sorted(under_way))}")
        kept = {
            "state": state,
            "signals": [[name, value] for name, waiting in sorted(self._signals.items()) for value in waiting],
            "updates": [[id, name, value] for name, early in sorted(self._early.items()) for id, value in early],
            "changes": sorted(self._changes),
        }
        code, data, other = encode(kept)
        self._saved = Encoded(code, bytes(data), other)
        self._reseed(self._want(f"{CHECKPOINT}{self._told}", self._saved))

    def _begin_again(self, key: str, kept: Any) -> None:
        """The code begins at a checkpoint, not at its start: what was told and wanted before is not needed."""
        _, command, told = key.split()
        self._number = int(command) + 1
        # The start is told instead of the entry at which the checkpoint was taken.
        self._told = int(told) - 1
        self._saved = Encoded(*encode(kept))
        self._reseed(int(command))
        for name, value in kept["signals"]:
            self._signals.setdefault(name, deque()).append(value)
        for id, name, value in kept["updates"]:
            self._early.setdefault(name, []).append((id, value))
        self._changes.update(kept["changes"])

    def _reseed(self, command: int) -> None:
        """Chance after a checkpoint does not follow from how much of it was used before."""
        self._chance_seed = f"{self._seed} {command}"
        if self._chance is not None:
            self._chance.seed(self._chance_seed)

    def answer(self, name: str, value: Any) -> Any:
        """The answer to a question. It changes nothing."""
        handler = self.queries.get(name)
        if handler is None and name == WAITING:
            handler = self._waits_for
        if handler is None:
            known = ", ".join(self.queries) or "none"
            raise Reported("UnknownQuery", f"the workflow has no query {name!r}; it has {known}")
        self._is_asked = True
        try:
            return handler() if value is None else handler(value)
        finally:
            self._is_asked = False

    def _waits_for(self) -> dict[str, list[str]]:
        """The events that the code waits for."""
        awaited = [name for name, listeners in self._listeners.items() if any(not one.done() for one in listeners)]
        return {"events": [] if self.is_over else sorted(awaited)[:WAITING_MAX]}

    def _update(self, id: str, name: str, value: Any) -> None:
        handler = self.updates.get(name)
        if handler is None:
            self._early.setdefault(name, []).append((id, value))
            return
        task = self.loop.create_task(self._perform(id, handler, value))
        self._performing.add(task)
        task.add_done_callback(self._performing.discard)

    async def _perform(self, id: str, handler: Callable[..., Any], value: Any) -> None:
        try:
            result = handler() if value is None else handler(value)
            if asyncio.iscoroutine(result):
                result = await result
            self._want(f"answer {id}", result)
        except Exception as error:
            if self._diverged is None:
                told = {"type": type(error).__name__, "message": str(error), "stack": stack_of(error)}
                self._want(f"refuse {id}", told)

    def on_update(self, name: str, handler: Callable[..., Any]) -> None:
        """Has updates of that name handled, those too that came before."""
        self.updates[name] = handler
        for id, value in self._early.pop(name, ()):
            self._update(id, name, value)

    def next_signal(self, name: str) -> asyncio.Future[Any]:
        """The oldest signal of that name which nobody has taken."""
        future = self.loop.create_future()
        waiting = self._signals.get(name)
        if waiting:
            future.set_result(waiting.popleft())
        else:
            self._listeners.setdefault(name, deque()).append(future)
        return future

    def complain(self, context: dict[str, Any]) -> None:
        """Says what went wrong in a task that nobody awaits."""
        error = context.get("exception")
        # That it diverged is told by the turn.
        if not self.is_gone and error is not None and not isinstance(error, Diverged):
            print(f"{context.get('message')}: {type(error).__name__}: {error}")

    def drop(self) -> None:
        """Forgets it: the journal has everything."""
        self.is_gone = True


def _step(number: int) -> str:
    return f"command {number + 1}"


def _shown(key: str, other: str = "") -> str:
    """A command as people read it; with other values where that is all that differs."""
    digest, _, command = key.partition(" ")
    same = other and other.partition(" ")[2] == command
    return f"`{command}` with another value" if same else f"`{command}`"

