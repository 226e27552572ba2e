"""Calls functions in this process, as a worker does: the same frames go in, the same messages come out.

Only what lies between differs. A worker's messages go through shared memory to a server; here each is taken in at once.
"""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable
from typing import Any

from ._event import Event
from ._load import Function
from ._memory import Memory
from ._object import Object
from ._record import pack
from ._wire import (
    CALL,
    CANCELLED,
    CANCELLED_CALL,
    CODES,
    COLD,
    DIVERGED,
    EMIT,
    FAILED,
    FAILURE,
    HAS_VALUE,
    KIND_EVENT,
    KIND_EVENTS,
    KIND_LIST,
    KIND_ONE,
    LIMIT,
    LOG,
    NO_BUCKET,
    OUT_OF_MEMORY,
    PUT,
    RAISED,
    RETURNED,
    UNDECLARED_PUT,
    UNSERIALISABLE,
    WORDS_BYTES,
)
from ._worker import Worker, _listed

_KINDS = {
    RAISED: "Raised",
    UNSERIALISABLE: "Unserialisable",
    UNDECLARED_PUT: "UndeclaredPut",
    DIVERGED: "Diverged",
    COLD: "Cold",
    OUT_OF_MEMORY: "OutOfMemory",
    LIMIT: "Limit",
}
#: Levels of ctx.log as those of the module logging.
_LEVELS = {2: logging.DEBUG, 3: logging.INFO, 4: logging.WARNING, 5: logging.ERROR}
_log = logging.getLogger("sluicegate")


class Stage(Worker):
    """Runs one call at a time. It has no slot that a server shares, and no doorbells.

    :param buckets: names of the app's buckets, ``input`` and ``output`` first.
    :param put: takes the objects that a call puts; answers whether the call should stop.
    """

    def __init__(self, buckets: list[str], put: Callable[[dict[str, Any]], bool]) -> None:
        self.words: Any = [0] * (WORDS_BYTES // 4)
        self.memory = Memory(None, self)  # nobody sends it anything
        self.buckets = buckets
        self.bucket_index = {name: index for index, name in enumerate(buckets)}
        self.lock = threading.RLock()
        self.serial = 0
        self._put_ns = 0
        self._hear_put = put
        self._emits: list[dict[str, Any]] = []
        self._outcome: dict[str, Any] = {}
        #: What the last call raised.
        self.error: BaseException | None = None

    def play(self, function: Function, call: dict[str, Any]) -> dict[str, Any]:
        """Makes a call; its outcome."""
        kind, count, frame, at = self._frame(call)
        self.functions = {0: function}
        self.serial, self.error = call["call"], None
        self._emits, self._outcome = [], {}
        try:
            self._run(frame, self.serial, 0, kind)
        finally:
            self.serial = 0
        return self._outcome

    def argument(self, call: dict[str, Any]) -> Any:
        """What the function of a call would be called with."""
        kind, count, frame, _ = self._frame(call)
        if kind in (KIND_LIST, KIND_EVENTS):
            return _listed(frame, count, self, kind)  # type: ignore[arg-type]
        found = Object(frame, CALL.size, self)
        return Event(found) if kind == KIND_EVENT else found

    def _bucket_name(self, index: int) -> str:
        """Name of a bucket."""
        return self.buckets[index]

    def _frame(self, call: dict[str, Any]) -> tuple[int, int, bytes, int]:
        ((form, arguments),) = call["arguments"].items()
        if form == "event":
            kind, records = KIND_EVENT, [_event(arguments)]
        elif form == "events":
            kind, records = KIND_EVENTS, [_event(found) for found in arguments]
        else:
            kind = KIND_ONE if form == "one" else KIND_LIST
            records = [self._record(found) for found in ([arguments] if form == "one" else arguments)]
        body = b"".join(records)
        at = CALL.size + len(body)
        context = [call["run"], f"{call['run']}/{call['invocation']}", call["group"], None]
        head = CALL.pack(call["call"], 0, kind, 0, call["attempt"], len(records), at)
        return kind, len(records), head + body + b"".join(map(_text, context)), at

    def _record(self, found: dict[str, Any]) -> bytes:
        bucket = self.bucket_index[found["bucket"]]
        code, other, data = _data(found["data"])
        return pack(bucket, found["key"], code, other, data, found["group"], found["meta"])

    def place(self, data: Any) -> None:
        """Everything travels within its message."""

    def show(self, function: Function) -> None:
        """Everything was taken in when it was sent."""

    def send_record(self, kind: int, flags: int, bucket: int, key: bytes, code: int, data: Any) -> None:
        """Takes in a message with a record."""
        self.send(kind, flags, pack(bucket, key.decode(), code, None, data))

    def send(self, kind: int, flags: int, body: bytes) -> None:
        """Takes in a message of the call."""
        if kind == PUT:
            self._put(Object(body, 0, self))
        elif kind == EMIT:
            found = Object(body, 0, self)
            self._emits.append({"type": found.key, "subject": found.group, "data": shown(found)})
        elif kind == LOG:
            _log.log(_LEVELS[flags], "%s", body.decode("utf-8", "replace"))
        elif kind == RETURNED:
            self._succeeded(shown(Object(body, 0, self)) if flags & HAS_VALUE else None)
        elif kind == CANCELLED_CALL:
            self._outcome = {"cancelled": None}
        elif kind == FAILED:
            self._failed(body)

    def _put(self, found: Object) -> None:
        put = {"bucket": found.bucket, "key": found.key, "group": found.group, "meta": found.meta or None}
        if self._hear_put({**put, "data": shown(found)}):
            self.words[CANCELLED] = self.serial

    def _succeeded(self, value: dict[str, str] | None) -> None:
        self._outcome = {"succeeded": {"value": value, "emits": self._emits}}

    def _failure(self, context: Any, error: BaseException) -> tuple[int, bytes]:
        if not isinstance(error, (Exception, SystemExit)):
            raise error  # Ctrl-C, or the verdict of a test framework: meant for whoever runs the test
        self.error = error
        return super()._failure(context, error)

    def _failed(self, body: bytes) -> None:
        kind, *lengths = FAILURE.unpack_from(body)
        texts, at = [], FAILURE.size
        for length in lengths:
            texts.append(body[at : at + length].decode("utf-8", "replace"))
            at += length
        failure = dict(zip(("type", "message", "stack"), texts))
        self._outcome = {"failed": {"kind": _KINDS[kind], **failure}}


def wire(data: bytes, content_type: str) -> dict[str, str]:
    """Bytes as a line of the rehearsal carries them."""
    return {"content_type": content_type, "base64": base64.b64encode(data).decode("ascii")}


def shown(found: Object) -> dict[str, str]:
    """The bytes of an object as a line of the rehearsal carries them."""
    return wire(bytes(found.data), found.content_type)


def _data(data: dict[str, str] | None) -> tuple[int, str | None, bytes]:
    if data is None:
        return 0, None, b""
    code = CODES.get(data["content_type"], 3)
    other = data["content_type"] if code == 3 else None
    return code, other, base64.b64decode(data["base64"])


def _event(event: dict[str, Any]) -> bytes:
    meta = {"source": event["source"], "type": event["type"], "time_ms": str(event["time_ms"])}
    if event["subject"] is not None:
        meta["subject"] = event["subject"]
    code, other, data = _data(event["data"])
    return pack(NO_BUCKET, event["id"], code, other, data, meta=meta)


def _text(text: str | None) -> bytes:
    if text is None:
        return b"\xff\xff"
    data = text.encode()
    return len(data).to_bytes(2, "little") + data
