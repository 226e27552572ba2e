"""Functions in AWS Lambda's calling convention: `handler(event, context)`, logs, results and errors as AWS has them.

Loaded by the zygote; nothing here runs for other apps.
"""

from __future__ import annotations

import importlib
import json
import logging
import math
import os
import resource
import sys
import time
import traceback
from decimal import Decimal
from typing import Any, Callable

from ._failure import Reported
from ._lambda_context import LambdaContext
from ._values import Encoded
from ._wire import JSON, UNSERIALISABLE, UNSTARTABLE

#: Largest response, in bytes; AWS adds 100 to 6 MiB.
RESPONSE_BYTES_MAX = 6 * 1024 * 1024 + 100
#: Content type of an invocation with a client context: a JSON object of `event` and `client_context`.
WITH_CONTEXT = "application/vnd.aws.lambda.invocation+json"
_HERE = os.path.dirname(__file__) + os.sep
#: Id of the invocation that runs, for log lines.
_request_id = ""
#: What the handler's module printed while it was imported: the first call of each worker logs it.
_printed = ""
#: Whether standard error goes where standard output goes: the log has one order.
_is_merged = False


def load(bundle: str, settings: "dict[str, Any]") -> "Callable[[Any, Any], Encoded]":
    """What a worker calls for a function: it takes the object with the event, and the context of the call."""
    os.environ["LAMBDA_TASK_ROOT"] = bundle
    if settings["provided"]:
        from ._lambda_runtime import Bootstrap

        run: "Callable[[bytes, LambdaContext], Any]" = Bootstrap(bundle).run
    else:
        _set_up_logging()
        handler = _heard(lambda: find_handler(settings["handler"]))
        run = lambda event, context: marshal(_call(handler, event, context))  # noqa: E731

    def invoke(object: Any, ctx: Any) -> Encoded:
        return _invoke(run, object, ctx.run, settings["timeout_ms"])

    return invoke


def _heard(load: "Callable[[], Any]") -> Any:
    """What `load` returns; what it prints is kept for the log, too."""
    global _printed
    out, err = sys.stdout, sys.stderr
    lines: "list[str]" = []
    sys.stdout, sys.stderr = heard = _Heard(out, lines), _Heard(err, lines)
    try:
        return load()
    finally:
        _printed += "".join(lines)
        sys.stdout, sys.stderr = out, err
        # The module may have kept them, for a logger say.
        for stream in heard:
            stream.lines = None


class _Heard:
    """A stream that keeps what is written to it, for as long as somebody wants it."""

    def __init__(self, stream: Any, lines: "list[str] | None") -> None:
        self._stream = stream
        self.lines = lines

    def write(self, text: str) -> int:
        if self.lines is not None:
            self.lines.append(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _open_log() -> None:
    """Before a worker's first call."""
    global _printed, _is_merged
    if not _is_merged:
        os.dup2(1, 2)
        _is_merged = True
    sys.stdout.write(_printed)
    _printed = ""


def _invoke(run: Any, object: Any, request_id: str, timeout_ms: int) -> Encoded:
    """One invocation, between the lines of the log that AWS writes around it."""
    global _request_id
    _open_log()
    began = time.time()
    _request_id = request_id
    data, client_context = bytes(object.data), None
    if object.content_type == WITH_CONTEXT:
        envelope = json.loads(data)
        client_context, data = envelope["client_context"], json.dumps(envelope["event"]).encode()
    context = LambdaContext(request_id, object.key, began * 1000 + timeout_ms, client_context)
    print(f"START RequestId: {request_id} Version: {context.function_version}", flush=True)
    try:
        result = run(data, context)
        if len(result.data) > RESPONSE_BYTES_MAX:
            what = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
            raise Reported("Function.ResponseSizeTooLarge", what)
        return result
    finally:
        sys.stderr.flush()
        print(f"END RequestId: {request_id}\n{_report(context, time.time() - began)}", flush=True)


def _report(context: LambdaContext, seconds: float) -> str:
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (
        f"REPORT RequestId: {context.aws_request_id}\tDuration: {seconds * 1000:.2f} ms\t"
        f"Billed Duration: {math.ceil(seconds * 1000)} ms\tMemory Size: {context.memory_limit_in_mb} MB\t"
        f"Max Memory Used: {math.ceil(used / 1024)} MB\t"
    )


def _call(handler: Any, data: bytes, context: LambdaContext) -> Any:
    try:
        return handler(_unmarshal(data), context)
    except Reported as error:
        _log_error(error)
        raise
    except SystemExit as error:
        # AWS's runtime ends with the process; what the next call finds is a new one.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(error.code if isinstance(error.code, int) else int(error.code is not None))
    except Exception as error:
        reported = Reported(type(error).__name__, str(error), _stack(error))
        _log_error(reported)
        raise reported from None


def _stack(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return "".join(traceback.format_list([frame for frame in frames if not frame.filename.startswith(_HERE)]))


def _log_error(error: Reported) -> None:
    trace = f"\nTraceback (most recent call last):\n{error.stack}".rstrip() if error.stack else ""
    print(f"[ERROR] {error.type}: {error.message}{trace}", flush=True)


def _unmarshal(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise Reported("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None


def marshal(value: Any) -> Encoded:
    """What a handler returned, as JSON."""
    try:
        return Encoded(JSON, json.dumps(value, ensure_ascii=False, allow_nan=False, default=_decimal).encode())
    except (TypeError, ValueError, RecursionError) as error:
        reported = Reported("Runtime.MarshalError", f"Unable to marshal response: {error}", kind=UNSERIALISABLE)
        _log_error(reported)
        raise reported from None


def _decimal(value: Any) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def find_handler(handler: str) -> "Callable[[Any, Any], Any]":
    """The function that `MODULE.FUNCTION` names; `MODULE` may be a path."""
    module_name, dot, name = handler.rpartition(".")
    if not dot:
        what = f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)"
        raise _unstartable("Runtime.MalformedHandlerName", what)
    if module_name.split(".")[0] in sys.builtin_module_names:
        what = f"Cannot use built-in module {module_name} as a handler module"
        raise _unstartable("Runtime.BuiltInModuleConflict", what)
    module = _import(module_name)
    found = getattr(module, name, None)
    if found is None:
        raise _unstartable("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'")
    return found


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name.replace("/", "."))
    except ImportError as error:
        raise _unstartable("Runtime.ImportModuleError", f"Unable to import module '{name}': {error}") from None
    except SyntaxError as error:
        stack = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        what = f"Syntax error in module '{name}': {error}"
        raise _unstartable("Runtime.UserCodeSyntaxError", what, stack) from None
    except Exception as error:
        raise _unstartable(type(error).__name__, str(error), _stack(error)) from None


def _unstartable(type: str, message: str, stack: str = "") -> Reported:
    return Reported(type, message, stack, UNSTARTABLE)


def _set_up_logging() -> None:
    """The root logger writes as AWS's does: level, time, request id, message, tab-separated."""
    handler = logging.StreamHandler(_Stdout())
    handler.terminator = "\n"
    line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
    formatter = logging.Formatter(line, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(_with_request_id)
    logging.getLogger().handlers = [handler]


def _with_request_id(record: logging.LogRecord) -> bool:
    record.aws_request_id = _request_id
    return True


class _Stdout:
    """Standard output as it is when something is written: a worker has its own."""

    def write(self, text: str) -> None:
        sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()
