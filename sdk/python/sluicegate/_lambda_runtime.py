"""AWS Lambda's Runtime API for functions that bring their own runtime, the program `bootstrap`.

The program is started with the first call of a worker and stays: it asks for the next invocation over HTTP on the
loopback interface, and answers the same way. Exactly one invocation is under way at a time.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ._failure import Reported
from ._lambda_context import LambdaContext
from ._values import Encoded
from ._wire import BYTES, JSON

_PREFIX = "/2018-06-01/runtime/"
#: Largest request of the program, in bytes: a response that is too large is refused by its size, not cut.
BODY_BYTES_MAX = 16 * 1024 * 1024
#: Variables of the worker that are nobody else's business.
_OWN = ("PYTHONPATH", "SLUICE_PROTOCOL")


class Bootstrap:
    """The program and the invocation that it works on.

    Invariant: `_current` is the invocation under way; it has an `outcome` once the program has answered or ended.
    """

    def __init__(self, bundle: str) -> None:
        self._bundle = bundle
        self._process: "subprocess.Popen[bytes] | None" = None
        self._changed = threading.Condition()
        self._current: "Invocation | None" = None
        self._server: "ThreadingHTTPServer | None" = None

    def run(self, event: bytes, context: LambdaContext) -> Encoded:
        """Has the program work on an event."""
        current = Invocation(event, context)
        with self._changed:
            self._current = current
            if self._process is None:
                self._start(current.id)
            self._changed.notify_all()
            self._changed.wait_for(lambda: current.outcome is not None)
            self._current = None
        if isinstance(current.outcome, Reported):
            raise current.outcome
        return Encoded(JSON if _is_json(current.outcome) else BYTES, current.outcome)

    def next(self) -> "Invocation | None":
        """Waits for an invocation that the program has not been given; `None` if the program that asked is gone."""
        with self._changed:
            asks = self._process
            self._changed.wait_for(lambda: self._process is not asks or self._waiting() is not None)
            if self._process is not asks:
                return None
            current = self._waiting()
            current.given = True
            return current

    def _waiting(self) -> "Invocation | None":
        current = self._current
        return current if current is not None and not current.given else None

    def answer(self, id: str, outcome: "bytes | Reported") -> bool:
        """Takes an answer; whether there is such an invocation."""
        with self._changed:
            current = self._current
            if current is None or current.id != id or current.outcome is not None:
                return False
            current.outcome = outcome
            self._changed.notify_all()
            return True

    def fail(self, error: Reported) -> None:
        """The program cannot work: the invocation under way fails."""
        with self._changed:
            if self._current is not None and self._current.outcome is None:
                self._current.outcome = error
                self._changed.notify_all()

    def _start(self, request_id: str) -> None:
        if self._server is None:
            self._server = _Server(("127.0.0.1", 0), _Handler)
            self._server.bootstrap = self
            threading.Thread(target=self._server.serve_forever, daemon=True).start()
        environment = {name: value for name, value in os.environ.items() if name not in _OWN}
        environment["AWS_LAMBDA_RUNTIME_API"] = f"127.0.0.1:{self._server.server_port}"
        program = os.path.join(self._bundle, "bootstrap")
        try:
            self._process = subprocess.Popen([program], cwd=self._bundle, env=environment, stdin=subprocess.DEVNULL)
        except OSError as error:
            what = f"RequestId: {request_id} Error: fork/exec {program}: {(error.strerror or str(error)).lower()}"
            raise Reported("Runtime.InvalidEntrypoint", what) from None
        threading.Thread(target=self._bury, args=(self._process,), daemon=True).start()

    def _bury(self, process: "subprocess.Popen[bytes]") -> None:
        status = process.wait()
        why = "without providing a reason"
        if status:
            why = f"with error: exit status {status}" if status > 0 else f"with error: signal {-status}"
        with self._changed:
            self._process = None
            self._changed.notify_all()
            if self._current is not None:
                what = f"RequestId: {self._current.id} Error: Runtime exited {why}"
                self.fail(Reported("Runtime.ExitError", what))


class Invocation:
    """One event, and what became of it."""

    def __init__(self, event: bytes, context: LambdaContext) -> None:
        self.id, self.event, self.context = context.aws_request_id, event, context
        self.given = False
        self.outcome: "bytes | Reported | None" = None

    def headers(self) -> "dict[str, str]":
        """What the program is told beside the event."""
        headers = {
            "Lambda-Runtime-Aws-Request-Id": self.id,
            "Lambda-Runtime-Deadline-Ms": str(self.context._epoch_deadline_time_in_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self.context.invoked_function_arn,
        }
        if self.context._client_context is not None:
            headers["Lambda-Runtime-Client-Context"] = json.dumps(self.context._client_context)
        return headers


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    bootstrap: Bootstrap


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        if self.path != f"{_PREFIX}invocation/next":
            return self._say(404, {"errorType": "NotFound", "errorMessage": self.path})
        invocation = self.server.bootstrap.next()
        if invocation is None:
            self.close_connection = True
            return
        self._send(200, invocation.event, invocation.headers())

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return self._say(413, {"errorType": "RequestEntityTooLarge", "errorMessage": "the body is too large"})
        path = self.path.removeprefix(_PREFIX).split("/")
        if path == ["init", "error"]:
            self.server.bootstrap.fail(self._reported(body))
            return self._say(202, {"status": "OK"})
        if len(path) != 3 or path[0] != "invocation" or path[2] not in ("response", "error"):
            return self._say(404, {"errorType": "NotFound", "errorMessage": self.path})
        outcome = body if path[2] == "response" else self._reported(body)
        if self.server.bootstrap.answer(path[1], outcome):
            return self._say(202, {"status": "OK"})
        self._say(400, {"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"})

    def _reported(self, body: bytes) -> Reported:
        """The error as the program words it; its whole body travels as the stack."""
        try:
            error = json.loads(body)
        except ValueError:
            error = None
        named = error if isinstance(error, dict) else {}
        type = named.get("errorType") or self.headers.get("Lambda-Runtime-Function-Error-Type") or "Runtime.Unknown"
        return Reported(str(type), str(named.get("errorMessage", "")), body.decode("utf-8", "replace") if named else "")

    def _body(self) -> "bytes | None":
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length) if length <= BODY_BYTES_MAX else None
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            if len(body) + size > BODY_BYTES_MAX:
                return None
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return body

    def _say(self, status: int, value: Any) -> None:
        self._send(status, json.dumps(value).encode(), {})

    def _send(self, status: int, body: bytes, headers: "dict[str, str]") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if status == 413:
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the log belongs to the function."""


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
        return True
    except ValueError:
        return False
