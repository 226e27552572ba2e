"""The event loop of one workflow: it runs what is ready, in order, and never waits.

Time in it is the workflow's, so that what asyncio offers for waiting (`sleep`, `wait_for`, `timeout`) survives crashes
as `ctx.sleep` does.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from ._instance import Instance

_NO_IO = (
    "a workflow only decides what is to be done, so that it can go on elsewhere after a crash; "
    "let a function do this and await ctx.call(function, ...)"
)


class Timer(asyncio.TimerHandle):
    """A callback whose time a command of the workflow waits for."""

    __slots__ = ("timer",)

    def __init__(self, when: float, callback: Any, args: Any, loop: Loop, context: Any, timer: Any) -> None:
        super().__init__(when, callback, args, loop, context)
        self.timer = timer
        self._scheduled = True
        timer.add_done_callback(lambda timer: None if timer.cancelled() else loop.due(self))


class Loop(asyncio.AbstractEventLoop):
    """Runs callbacks in the order in which they became ready."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._ready: deque[asyncio.Handle] = deque()
        #: Tasks that have not ended.
        self.tasks: set[asyncio.Task[Any]] = set()

    def run_ready(self) -> None:
        """Goes on until nothing is ready any more."""
        ready = self._ready
        events._set_running_loop(self)
        try:
            while ready:
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()
        finally:
            events._set_running_loop(None)

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return Timer(when, callback, args, self, context, self._instance.sleep(when - self.time()))

    def _timer_handle_cancelled(self, handle: Timer) -> None:
        handle.timer.cancel()

    def due(self, handle: Timer) -> None:
        """The time of a callback has come."""
        self._ready.append(handle)

    def time(self) -> float:
        return self._instance.now_ms / 1000

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> asyncio.Task[Any]:
        context = {} if context is None else {"context": context}
        task = asyncio.Task(coro, loop=self, name=name, **context)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def get_task_factory(self) -> None:
        return None

    def get_exception_handler(self) -> None:
        return None

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.call_exception_handler(context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An exception that nobody awaits: the workflow goes on, its log tells."""
        self._instance.complain(context)

    def _refuse(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise RuntimeError(_NO_IO)

    call_soon_threadsafe = run_in_executor = run_until_complete = run_forever = _refuse
    add_reader = add_writer = add_signal_handler = getaddrinfo = getnameinfo = connect_accepted_socket = _refuse
    sock_recv = sock_recv_into = sock_recvfrom = sock_recvfrom_into = sock_connect = sock_accept = _refuse
    sock_sendall = sock_sendto = sock_sendfile = create_datagram_endpoint = _refuse
    create_connection = create_server = create_unix_connection = create_unix_server = _refuse
    subprocess_exec = subprocess_shell = connect_read_pipe = connect_write_pipe = start_tls = sendfile = _refuse
