"""What a turn of a workflow prints: said with its messages, since several turns may be heard of at once."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ._call import CallEnded
from ._wire import INLINE_BYTES_MAX, LOG, STDERR, STDOUT

if TYPE_CHECKING:
    from ._worker import Worker


class Said:
    """While it is entered, standard output and error are messages of the call that runs."""

    def __init__(self, worker: Worker) -> None:
        self._streams = _stream(worker, STDOUT), _stream(worker, STDERR)
        self._before: "tuple[Any, Any]" = (None, None)

    def __enter__(self) -> None:
        self._before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = self._streams

    def __exit__(self, *_: object) -> None:
        for stream in self._streams:
            stream.flush()
        sys.stdout, sys.stderr = self._before


class _Messages(io.RawIOBase):
    def __init__(self, worker: Worker, stream: int) -> None:
        self._worker, self._stream = worker, stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        said = bytes(data[:INLINE_BYTES_MAX])
        with suppress(CallEnded):  # what is printed between calls belongs to none
            self._worker.tell(LOG, said, self._stream)
        return len(said)


def _stream(worker: Worker, stream: int) -> io.TextIOWrapper:
    buffered = io.BufferedWriter(_Messages(worker, stream))
    return io.TextIOWrapper(buffered, encoding="utf-8", errors="backslashreplace", line_buffering=True)
