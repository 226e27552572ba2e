"""One call in a worker: its inputs as attributes, its outputs as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._record import pack
from ._values import encode
from ._wire import (
    AWAITED,
    CALL,
    CODES,
    EMIT,
    INLINE_BYTES_MAX,
    LOG,
    NO_TEXT,
    OPEN,
    PUT,
    TEXT_LENGTH,
)

if TYPE_CHECKING:
    from ._worker import Worker

_LEVELS = {"debug": 2, "info": 3, "warn": 4, "warning": 4, "error": 5}
KEY_BYTES_MAX = 1024


class UndeclaredPut(Exception):
    """A put to a bucket that the function does not declare in `into=`."""


class LimitExceeded(Exception):
    """A named limit was hit."""


class CallEnded(RuntimeError):
    """Something was put or emitted after the function had returned."""

    def __init__(self) -> None:
        super().__init__("the call has ended; put and emit before the function returns")


class Call:
    """Knows the frame it came in and the worker that runs it. What a function sees of it is its `Context`."""

    __slots__ = ("_worker", "_frame", "_serial", "_function")

    def __init__(self, worker: "Worker", frame: Any, serial: int, function: Any) -> None:
        self._worker = worker
        self._frame = frame
        self._serial = serial
        self._function = function

    @property
    def _memory(self) -> Any:
        return self._worker.memory

    def _bucket_name(self, index: int) -> str:
        return self._worker.buckets[index]

    def _text(self, index: int) -> "str | None":
        """One of the texts of the frame's context."""
        frame = self._frame
        at = CALL.unpack_from(frame)[6]
        (length,) = TEXT_LENGTH.unpack_from(frame, at)
        for _ in range(index):
            at += TEXT_LENGTH.size + (0 if length == NO_TEXT else length)
            (length,) = TEXT_LENGTH.unpack_from(frame, at)
        at += TEXT_LENGTH.size
        return None if length == NO_TEXT else str(frame[at : at + length], "utf-8")

    def _put_bytes(self, bucket: Any, key: str, data: Any, content_type: str, group: "str | None") -> None:
        code = CODES.get(content_type, 3)
        self._put(self._bucket(bucket), key, code, content_type if code == 3 else None, data, group)

    def _put_yielded(self, item: Any) -> None:
        """What a generator function yields: `(key, value)` or `(bucket, key, value)`."""
        if not isinstance(item, tuple) or len(item) not in (2, 3):
            raise TypeError("yield (key, value) or (bucket, key, value)")
        if len(item) == 3:
            bucket, key, value = item
            index = self._bucket(bucket)
        else:
            key, value = item
            index = self._function.into
        code, data, other = encode(value)
        self._put(index, key, code, other, data)

    def _bucket(self, bucket: Any) -> int:
        name = bucket if isinstance(bucket, str) else getattr(bucket, "bucket_name", repr(bucket))
        index = self._function.puts.get(name)
        if index is None:
            raise UndeclaredPut(
                f"function {self._function.name!r} puts to bucket {name!r}, which its into= does not name; "
                f"declare it: @app.function(..., into=[..., {name}])"
            )
        return index

    def _put(
        self, bucket: int, key: str, code: int, other: Any, data: Any, group: "str | None" = None, meta: Any = None
    ) -> None:
        if not isinstance(key, str):
            raise TypeError(f"a key is a str, not {type(key).__name__}")
        name, worker = key.encode(), self._worker
        if len(name) > KEY_BYTES_MAX:
            raise LimitExceeded(f"a key of {len(name)} bytes is longer than {KEY_BYTES_MAX}")
        with worker.lock:
            if worker.serial != self._serial:
                raise CallEnded
            if other is None and group is None and not meta and len(data) <= INLINE_BYTES_MAX:
                worker.send_record(PUT, 0, bucket, name, code, data)
            else:
                worker.send(PUT, 0, pack(bucket, key, code, other, data, group, meta, worker.place(data)))
            worker.show(self._function)

    def _emit(self, type: str, data: Any, subject: "str | None") -> None:
        code, payload, other = (0, b"", None) if data is None else encode(data)
        if len(payload) > INLINE_BYTES_MAX:
            raise LimitExceeded(
                f"an event of {len(payload)} bytes is larger than {INLINE_BYTES_MAX}; put an object and name its key"
            )
        with self._worker.lock:
            self._check_open()
            self._worker.send(EMIT, 0, pack(0, type, code, other, payload, subject))

    def _log(self, text: str, level: str) -> None:
        with self._worker.lock:
            self._check_open()
            self._worker.send(LOG, _LEVELS.get(level, 3), text.encode("utf-8", "replace")[:INLINE_BYTES_MAX])
            self._worker.show(self._function)

    def _open_stream(self, record: bytes) -> "tuple[int, int]":
        worker = self._worker
        with worker.lock:
            self._say(OPEN, record)
            return worker.memory.receive_stream()

    def _say(self, kind: int, body: bytes) -> None:
        """Sends a message and rings for it."""
        with self._worker.lock:
            self._check_open()
            self._worker.send(kind, 0, body)
            self._worker.signal()

    def _say_awaited(self, kind: int) -> None:
        """Says it only if somebody waits for what this worker writes."""
        if self._worker.words[AWAITED]:
            self._say(kind, b"")

    def _check_open(self) -> None:
        if self._worker.serial != self._serial:
            raise CallEnded
