"""What a function can do beside returning: put, emit, log, and look at its own call."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Mapping

if TYPE_CHECKING:
    from ._call import Call


class Context:
    """The call that is running. Valid until the function returns."""

    __slots__ = ("_call",)

    def __init__(self, call: "Call") -> None:
        self._call = call

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
        self._call.put(bucket, key, value, group, meta)

    def open(
        self, bucket: Any, key: str, content_type: str = "application/octet-stream", group: "str | None" = None
    ) -> "ObjectWriter":
        """A file to write an object in parts. The object appears when the file is closed, whole."""
        return ObjectWriter(self._call, bucket, key, content_type, group)

    def emit(self, type: str, data: Any = None, subject: "str | None" = None) -> None:
        """Emits an event when the function has succeeded."""
        self._call.emit(type, data, subject)

    def log(self, message: Any, level: str = "info") -> None:
        """Adds a line to the run's log; level is debug, info, warn or error."""
        self._call.log(str(message), level)

    @property
    def cancelled(self) -> bool:
        """Whether the call should stop: its result is no longer wanted."""
        return self._call.cancelled

    @property
    def attempt(self) -> int:
        """Which try this is, from 1."""
        return self._call.attempt

    @property
    def run(self) -> str:
        """Id of the run."""
        return self._call.run

    @property
    def function(self) -> str:
        """Name of the function."""
        return self._call.function.name

    @property
    def group(self) -> "str | None":
        """The group this call was started for."""
        return self._call.group

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this call, and for no other call."""
        return self._call.idempotency_key

    @property
    def traceparent(self) -> "str | None":
        """W3C trace context of the call."""
        return self._call.traceparent


class ObjectWriter(io.RawIOBase):
    """An object being written. Leaving the `with` block by an exception puts nothing."""

    def __init__(self, call: "Call", bucket: Any, key: str, content_type: str, group: "str | None") -> None:
        super().__init__()
        self._put = lambda data: call.put_bytes(bucket, key, data, content_type, group)
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
