"""Objects that are read while they are written: a file in shared memory that one call extends and others follow.

Its length is how much there is to read; sealed, it is whole.
"""

from __future__ import annotations

import fcntl
import io
import mmap
import os
from typing import TYPE_CHECKING, Any, Callable

from ._wire import AWAIT, BELL_BYTES, CLOSE, GROWN

if TYPE_CHECKING:
    from ._call import Call
    from ._worker import Worker

_SEAL_WRITE = 8


class OutputNotRepeatable(Exception):
    """A further attempt wrote other bytes than an earlier one had shown."""


class StreamBroken(Exception):
    """The object that is read will not be finished."""


class OpenObject:
    """An object that is still being written, as a call sees it that reads it."""

    def __init__(self, extent: int, file: int, bell: int, worker: "Worker") -> None:
        self._extent = extent
        self._file = file
        self._bell = bell
        self._worker = worker
        self._whole: "memoryview | None" = None

    def read(self, size: int, at: int) -> bytes:
        """Up to `size` bytes from `at` on; waits until there is one, or nothing follows."""
        while True:
            is_whole = self._is_whole()  # asked first: what is read after it is all there will be
            data = os.pread(self._file, size, at)
            if data or is_whole:
                return data
            self._await(at)

    def whole(self) -> memoryview:
        """All bytes, read-only, in shared memory; waits for the end."""
        if self._whole is None:
            self.wait()
            size = os.fstat(self._file).st_size
            mapped = mmap.mmap(self._file, size, mmap.MAP_SHARED, mmap.PROT_READ) if size else b""
            self._whole = memoryview(mapped).toreadonly()
        return self._whole

    def wait(self) -> None:
        """Waits for the end."""
        while not self._is_whole():
            self._await(os.fstat(self._file).st_size)

    def close(self) -> None:
        """Lets go of the file; what was mapped stays. What still looks for more finds nothing, not somebody else's file."""
        descriptors = self._file, self._bell
        self._file = self._bell = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)

    def _is_whole(self) -> bool:
        return bool(fcntl.fcntl(self._file, fcntl.F_GET_SEALS) & _SEAL_WRITE)

    def _await(self, seen: int) -> None:
        self._worker.tell(AWAIT, self._extent.to_bytes(4, "little") + seen.to_bytes(8, "little"))
        if not os.read(self._bell, BELL_BYTES) or self._worker.is_cancelled():
            raise StreamBroken("the call has ended or was cancelled while it waited for more of its input")


class StreamReader(io.RawIOBase):
    """An open object as a file: reading waits for what is not written yet."""

    def __init__(self, source: OpenObject) -> None:
        super().__init__()
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads what there is, at least one byte unless nothing follows."""
        data = self._source.read(len(buffer), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class StreamWriter(io.RawIOBase):
    """An object being written, of which others read what is written so far.

    Leaving the `with` block by an exception closes nothing: the next attempt goes on with the object, and must repeat
    what this one has written.
    """

    def __init__(self, call: "Call", record: "Callable[[tuple[int, int, int] | None], bytes]") -> None:
        super().__init__()
        self._call = call
        self._record = record
        self._extent, self._file = call._open_stream(record(None))
        self._shown = os.fstat(self._file).st_size
        self._at = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Appends bytes, or text as UTF-8; readers see them at once."""
        view = memoryview(data.encode() if isinstance(data, str) else data).cast("B")
        if self.closed:
            raise ValueError("the object is closed")
        written, length = self._repeat(view), len(view)
        while written < length:
            try:
                written += os.pwrite(self._file, view[written:], self._at + written)
            except PermissionError:  # sealed
                raise OutputNotRepeatable(
                    f"output not repeatable: an earlier attempt ended the object after {self._shown} bytes, and they may "
                    "have been read; make the function deterministic"
                ) from None
        self._at += length
        self._call._say_awaited(GROWN)
        return length

    def _repeat(self, view: memoryview) -> int:
        """Checks what an earlier attempt has written already; returns how much of `view` that is."""
        repeated = min(max(self._shown - self._at, 0), len(view))
        if repeated and os.pread(self._file, repeated, self._at) != view[:repeated]:
            raise OutputNotRepeatable(
                f"output not repeatable: an earlier attempt wrote other bytes at {self._at}, and they may have been "
                "read; make the function deterministic"
            )
        return repeated

    def close(self) -> None:
        """Ends the object: it is whole, and all that wait for it start."""
        if not self.closed:
            super().close()
            if self._at < self._shown:
                raise OutputNotRepeatable(
                    f"output not repeatable: an earlier attempt wrote {self._shown} bytes, and they may have been "
                    f"read; this one {self._at}"
                )
            self._call._say(CLOSE, self._record((self._extent, 0, self._at)))
            self._let_go()

    def _let_go(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self.close()
        else:
            super().close()
            self._let_go()

    def __del__(self) -> None:
        # An object nobody closed is not put.
        if hasattr(self, "_file"):
            self._let_go()
