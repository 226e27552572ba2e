"""What a turn of a workflow prints: said with its messages, since several turns may be heard of at once."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ._wire import INLINE_BYTES_MAX, LOG

if TYPE_CHECKING:
    from ._worker import Worker


class _Said(io.RawIOBase):
    def __init__(self, worker: Worker, stream: int) -> None:
        self._worker, self._stream = worker, stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        said = bytes(data[:INLINE_BYTES_MAX])
        self._worker.tell(LOG, said, self._stream)
        return len(said)


def said(worker: Worker, stream: int) -> io.TextIOWrapper:
    """A standard stream whose lines are messages of the turn that runs."""
    buffered = io.BufferedWriter(_Said(worker, stream))
    return io.TextIOWrapper(buffered, encoding="utf-8", errors="backslashreplace", line_buffering=True)
