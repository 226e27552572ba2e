"""One call in a worker: its inputs as attributes, its outputs as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

from ._record import pack
from ._values import encode
from ._wire import (
    BYTES,
    CANCELLED,
    CODES,
    EMIT,
    INLINE_BYTES_MAX,
    LOG,
    PUT,
)

if TYPE_CHECKING:
    from ._worker import Worker

_LEVELS = {"debug": 2, "info": 3, "warn": 4, "warning": 4, "error": 5}
KEY_BYTES_MAX = 1024
_ENDED = "the call has ended; put and emit before the function returns"


class UndeclaredPut(Exception):
    """A put to a bucket that the function does not declare in `into=`."""


class LimitExceeded(Exception):
    """A named limit was hit."""


class CallEnded(RuntimeError):
    """Something was put or emitted after the function had returned."""


class Call:
    """Knows the frame it came in and the worker that runs it."""

    __slots__ = ("worker", "frame", "serial", "function", "attempt", "_context")

    def __init__(self, worker: "Worker", frame: Any, serial: int, function: Any, attempt: int, at: int) -> None:
        self.worker = worker
        self.frame = frame
        self.serial = serial
        self.function = function
        self.attempt = attempt
        #: Where the texts of the context start, until they are asked for.
        self._context: "int | list[str | None]" = at

    @property
    def memory(self) -> Any:
        return self.worker.memory

    def bucket_name(self, index: int) -> str:
        return self.worker.buckets[index]

    def _texts(self) -> "list[str | None]":
        if isinstance(self._context, int):
            frame, at, texts = self.frame, self._context, []
            for _ in range(4):
                length = int.from_bytes(frame[at : at + 2], "little")
                at += 2
                if length == 0xFFFF:
                    texts.append(None)
                else:
                    texts.append(str(frame[at : at + length], "utf-8"))
                    at += length
            self._context = texts
        return self._context

    @property
    def run(self) -> str:
        return self._texts()[0] or ""

    @property
    def idempotency_key(self) -> str:
        return self._texts()[1] or ""

    @property
    def group(self) -> "str | None":
        return self._texts()[2]

    @property
    def traceparent(self) -> "str | None":
        return self._texts()[3]

    @property
    def cancelled(self) -> bool:
        return CANCELLED.unpack_from(self.worker.slot, 0)[0] == self.serial

    def put(
        self, bucket: Any, key: str, value: Any, group: "str | None" = None, meta: "Mapping[str, str] | None" = None
    ) -> None:
        index = self.function.puts.get(bucket) if type(bucket) is str else None
        if index is None:
            index = self._bucket(bucket)
        if type(value) is bytes:
            self._put(index, key, BYTES, None, value, group, meta)
        else:
            code, data, other = encode(value)
            self._put(index, key, code, other, data, group, meta)

    def put_bytes(self, bucket: Any, key: str, data: Any, content_type: str, group: "str | None") -> None:
        code = CODES.get(content_type, 3)
        self._put(self._bucket(bucket), key, code, content_type if code == 3 else None, data, group, None)

    def put_yielded(self, item: Any) -> None:
        """What a generator function yields: `(key, value)` or `(bucket, key, value)`."""
        if not isinstance(item, tuple) or len(item) not in (2, 3):
            raise TypeError("yield (key, value) or (bucket, key, value)")
        if len(item) == 3:
            self.put(*item)
        else:
            code, data, other = encode(item[1])
            self._put(self.function.into, item[0], code, other, data, None, None)

    def _bucket(self, bucket: Any) -> int:
        name = bucket if isinstance(bucket, str) else getattr(bucket, "bucket_name", repr(bucket))
        index = self.worker.bucket_index.get(name)
        if index is None or name not in self.function.puts:
            raise UndeclaredPut(
                f"function {self.function.name!r} puts to bucket {name!r}, which its into= does not name; "
                f"declare it: @app.function(..., into=[..., {name}])"
            )
        return index

    def _put(self, bucket: int, key: str, code: int, other: Any, data: Any, group: Any, meta: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"a key is a str, not {type(key).__name__}")
        name, worker = key.encode(), self.worker
        if len(name) > KEY_BYTES_MAX:
            raise LimitExceeded(f"a key of {len(name)} bytes is longer than {KEY_BYTES_MAX}")
        with worker.lock:
            if worker.serial != self.serial:
                raise CallEnded(_ENDED)
            if other is None and group is None and not meta and len(data) <= INLINE_BYTES_MAX:
                worker.send_record(PUT, 0, bucket, name, code, data)
            else:
                worker.send(PUT, 0, pack(bucket, key, code, other, data, group, meta, worker.place(data)))
            worker.show(self.function)

    def emit(self, type: str, data: Any, subject: "str | None") -> None:
        code, payload, other = (0, b"", None) if data is None else encode(data)
        if len(payload) > INLINE_BYTES_MAX:
            raise LimitExceeded(
                f"an event of {len(payload)} bytes is larger than {INLINE_BYTES_MAX}; put an object and name its key"
            )
        with self.worker.lock:
            self._check_open()
            self.worker.send(EMIT, 0, pack(0, type, code, other, payload, subject))

    def log(self, text: str, level: str) -> None:
        with self.worker.lock:
            self._check_open()
            self.worker.send(LOG, _LEVELS.get(level, 3), text.encode("utf-8", "replace")[:INLINE_BYTES_MAX])
            self.worker.show(self.function)

    def _check_open(self) -> None:
        if self.worker.serial != self.serial:
            raise CallEnded(_ENDED)
