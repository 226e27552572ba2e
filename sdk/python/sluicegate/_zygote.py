"""The app's zygote: imports the app once, then forks warm workers on request. Single-threaded by design.

Started as `python3 -m sluicegate._zygote` with the server's control socket as descriptor 3 and the description of the
app, JSON in a memfd, as descriptor 4.
"""

from __future__ import annotations

import gc
import io
import json
import os
import select
import signal
import socket
import sys
from typing import Any

from . import _failure
from ._failure import pack_failure
from ._load import Function, apps_of, find, load_module
from ._wire import BROKEN, CONTROL, ENDED, FORK, FORKED, READY, TEXT_BYTES_MAX, UNSTARTABLE

CONTROL_FD, DESCRIPTION_FD = 3, 4


class Setup:
    """The app as the server describes it, with its functions loaded."""

    def __init__(self, description: Any) -> None:
        self.bundle: str = description["bundle"]
        _failure.bundle = self.bundle
        self.buckets: "list[str]" = description["buckets"]
        self.functions: "dict[int, Function]" = {}
        #: What could not be loaded: function and failure.
        self.broken: "list[tuple[int, bytes]]" = []
        sys.path.insert(0, self.bundle)
        modules: "dict[str, Any]" = {}
        for function in description["functions"]:
            if function["lambda"]:
                self._add_lambda(function)
                continue
            path = function["module"]
            if path not in modules:
                modules[path] = self._load(path)
            self._add(function, modules[path])

    def _add_lambda(self, function: Any) -> None:
        from . import _lambda

        index = function["ix"]
        try:
            found = _lambda.load(self.bundle, function["lambda"])
            self.functions[index] = Function(function["name"], found, function["into"], self.buckets)
        except BaseException as error:  # sys.exit at import time is a failure of the app too
            self.broken.append((index, pack_failure(error, UNSTARTABLE)))

    def _load(self, path: str) -> Any:
        try:
            return load_module(self.bundle, path)
        except BaseException as error:  # sys.exit at import time is a failure of the app too
            return pack_failure(error, UNSTARTABLE)

    def _add(self, function: Any, module: Any) -> None:
        index = function["ix"]
        if isinstance(module, bytes):
            self.broken.append((index, module))
            return
        try:
            found = find(module, function["call"], function["name"])
            if function["workflow"]:
                from ._turns import Names, Turns

                self.functions[index] = Turns(function["name"], found, Names(apps_of(module)))
                return
            into, streams = function["into"], function["streams"]
            self.functions[index] = Function(function["name"], found, into, self.buckets, streams)
        except Exception as error:
            self.broken.append((index, pack_failure(error, UNSTARTABLE)))


def main() -> None:
    """Loads the app, says what is broken, and serves requests for workers until the server is gone."""
    control = socket.socket(fileno=CONTROL_FD)
    with open(DESCRIPTION_FD, "rb") as file:
        setup = Setup(json.load(file))
    for index, failure in setup.broken:
        control.send(CONTROL.pack(BROKEN, index, 0) + failure)
    from . import _worker  # noqa: F401  (loaded here, shared by all workers)

    gc.collect()
    gc.freeze()
    control.send(CONTROL.pack(READY, 0, 0))
    Zygote(control, setup).serve()


class Zygote:
    """Forks workers and reports how they ended."""

    def __init__(self, control: socket.socket, setup: Setup) -> None:
        self._control = control
        self._setup = setup
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._workers: "dict[int, tuple[int, int]]" = {}  # pidfd -> token, pid

    def serve(self) -> None:
        """Never returns."""
        while True:
            for fd, _ in self._poll.poll():
                if fd == CONTROL_FD:
                    self._request()
                else:
                    self._reap(fd)

    def _request(self) -> None:
        message, fds, _, _ = socket.recv_fds(self._control, TEXT_BYTES_MAX, 16)
        if not message:
            os._exit(0)  # the server is gone
        kind, token, memory_bytes = CONTROL.unpack_from(message)
        if kind != FORK:
            return
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._become_worker(fds, memory_bytes)
        for fd in fds:
            os.close(fd)
        pidfd = os.pidfd_open(pid)
        self._workers[pidfd] = token, pid
        self._poll.register(pidfd, select.POLLIN)
        socket.send_fds(self._control, [CONTROL.pack(FORKED, token, pid)], [pidfd])

    def _reap(self, pidfd: int) -> None:
        token, pid = self._workers.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        self._control.send(CONTROL.pack(ENDED, token, status))

    def _become_worker(self, fds: "list[int]", memory_bytes: int) -> None:
        try:
            slot, call, reply, control, stdout, stderr = fds
            self._control.close()
            for pidfd in self._workers:
                os.close(pidfd)
            os.setsid()
            os.dup2(stdout, 1)
            os.dup2(stderr, 2)
            os.close(stdout)
            os.close(stderr)
            sys.stdout = _stream(1)
            sys.stderr = _stream(2)
            if memory_bytes:
                _limit_memory(memory_bytes)
            _reseed()
            from ._worker import Worker

            Worker(slot, call, reply, socket.socket(fileno=control), self._setup).serve()
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(70)


def _stream(fd: int) -> io.TextIOWrapper:
    """A standard stream over the descriptor that C extensions and children write to as well. Each line leaves at once:
    a crash must not take the last words along."""
    return io.open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _limit_memory(memory_bytes: int) -> None:
    """Bounds private memory where there is no cgroup to do it; what is shared with the server does not count."""
    import resource

    with open("/proc/self/statm") as file:
        used = int(file.read().split()[5]) * resource.getpagesize()
    limit = used + memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _reseed() -> None:
    """No two workers draw the same random numbers."""
    for name in ("random", "numpy.random"):
        module = sys.modules.get(name)
        if module is not None:
            module.seed()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
