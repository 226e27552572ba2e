"""What a function can do beside returning: put, emit, log, and look at its own call."""

from __future__ import annotations

import io
from typing import Any, Mapping

from ._call import Call
from ._record import pack
from ._stream import StreamWriter
from ._values import encode
from ._wire import BYTES, CALL, CANCELLED, CODES


class Context(Call):
    """The call that is running. Valid until the function returns."""

    __slots__ = ()

    def put(
        self,
        bucket: Any,
        key: str,
        value: Any,
        group: "str | None" = None,
        meta: "Mapping[str, str] | None" = None,
    ) -> None:
        """Puts an object at once; whoever waits for it starts before this function ends.

        Where a function has ended right after its puts, call after call, they leave with its end, or after 5 ms.
        """
        index = self._function.puts.get(bucket) if type(bucket) is str else None
        if index is None:
            index = self._bucket(bucket)
        if type(value) is bytes:
            self._put(index, key, BYTES, None, value, group, meta)
        else:
            code, data, other = encode(value)
            self._put(index, key, code, other, data, group, meta)

    def open(
        self, bucket: Any, key: str, content_type: str = "application/octet-stream", group: "str | None" = None
    ) -> "ObjectWriter | StreamWriter":
        """A file to write an object in parts.

        Functions that read with `Object.stream` start when it is opened and read what is written so far. For all
        others the object appears when the file is closed, whole.
        """
        index = self._bucket(bucket)
        if index not in self._function.streams:
            return ObjectWriter(self, bucket, key, content_type, group)
        code = CODES.get(content_type, 3)
        other = content_type if code == 3 else None
        return StreamWriter(self, lambda place: pack(index, key, code, other, b"", group, None, place))

    def emit(self, type: str, data: Any = None, subject: "str | None" = None) -> None:
        """Emits an event when the function has succeeded."""
        self._emit(type, data, subject)

    def log(self, message: Any, level: str = "info") -> None:
        """Adds a line to the run's log; level is debug, info, warn or error."""
        self._log(str(message), level)

    @property
    def cancelled(self) -> bool:
        """Whether the call should stop: its result is no longer wanted."""
        return self._worker.words[CANCELLED] == self._serial

    @property
    def attempt(self) -> int:
        """Which try this is, from 1."""
        return CALL.unpack_from(self._frame)[4]

    @property
    def run(self) -> str:
        """Id of the run."""
        return self._text(0) or ""

    @property
    def function(self) -> str:
        """Name of the function."""
        return self._function.name

    @property
    def group(self) -> "str | None":
        """The group this call was started for."""
        return self._text(2)

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this call, and for no other call."""
        return self._text(1) or ""

    @property
    def traceparent(self) -> "str | None":
        """W3C trace context of the call."""
        return self._text(3)


class ObjectWriter(io.RawIOBase):
    """An object being written. Leaving the `with` block by an exception puts nothing."""

    def __init__(self, call: "Call", bucket: Any, key: str, content_type: str, group: "str | None") -> None:
        super().__init__()
        self._put = lambda data: call._put_bytes(bucket, key, data, content_type, group)
        self._buffer = bytearray()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Appends bytes, or text as UTF-8."""
        if isinstance(data, str):
            data = data.encode()
        self._buffer += data
        return len(data)

    def close(self) -> None:
        """Puts the object."""
        if not self.closed:
            super().close()
            self._put(self._buffer)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self.close()
        else:
            super().close()

    def __del__(self) -> None:
        # An object nobody closed is not put.
        pass
