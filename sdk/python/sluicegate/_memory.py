"""Shared memory as a worker sees it: extents of its app to read, one extent of its own to write."""

from __future__ import annotations

import mmap
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

from ._call import LimitExceeded
from ._stream import OpenObject
from ._wire import (
    ALIGNMENT,
    CONTROL,
    EXTENT,
    FORGET,
    GRANT,
    REFUSED,
    REFUSED_BY_LIMIT,
    STREAM,
    TEXT_BYTES_MAX,
)

if TYPE_CHECKING:
    from ._worker import Worker


class MemoryFull(MemoryError):
    """The server has no shared memory left for a value."""


class Memory:
    """Maps what the server sends over the control socket."""

    def __init__(self, control: Any, worker: "Worker") -> None:
        self._control = control
        self._readable: "dict[int, mmap.mmap]" = {}
        self._own: "dict[int, mmap.mmap]" = {}
        self._extent = 0
        self._at = 0
        self._size = 0
        #: Mappings that this call has looked at.
        self.touched: "list[mmap.mmap]" = []
        #: Objects that the call reads while they are written, by extent.
        self.streams: "dict[int, OpenObject]" = {}
        self._worker = worker
        self._written = 0, -1

    def receive(self, count: int) -> None:
        """Reads `count` control messages."""
        for _ in range(count):
            self._receive()

    def _receive(self) -> int:
        message, fds, _, _ = socket.recv_fds(self._control, TEXT_BYTES_MAX, 2)
        if not message:
            os._exit(0)  # the server is gone
        kind, extent, size = CONTROL.unpack_from(message)
        if kind == EXTENT:
            self._readable[extent] = mmap.mmap(fds[0], size, mmap.MAP_SHARED, mmap.PROT_READ)
        elif kind == GRANT:
            if fds:
                self._own[extent] = mmap.mmap(fds[0], size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            self._extent, self._at, self._size = extent, 0, size
        elif kind == FORGET:
            # What still looks at it keeps the mapping alive.
            self._readable.pop(extent, None)
            self._own.pop(extent, None)
        elif kind == STREAM:
            if len(fds) == 2:
                self.streams[extent] = OpenObject(extent, fds[0], fds[1], self._worker)
            else:
                self._written = extent, fds[0]
            return kind
        elif kind == REFUSED:
            text = str(message[CONTROL.size :], "utf-8")
            raise LimitExceeded(text) if extent == REFUSED_BY_LIMIT else MemoryFull(text)
        for fd in fds:
            os.close(fd)
        return kind

    def view(self, extent: int, offset: int, length: int) -> memoryview:
        """Bytes of an extent, read-only."""
        mapping = self._readable.get(extent)
        if mapping is None:
            if extent in self.streams:
                return self.streams[extent].whole()
            mapping = self._own[extent]
        self.touched.append(mapping)
        return memoryview(mapping)[offset : offset + length].toreadonly()

    def receive_stream(self) -> "tuple[int, int]":
        """The extent and the file of an object that the server was asked to open."""
        while self._receive() != STREAM:
            pass
        return self._written

    def close_streams(self) -> None:
        """The call has ended."""
        for stream in self.streams.values():
            stream.close()
        self.streams.clear()

    def is_looked_at(self, mappings: "list[mmap.mmap]") -> bool:
        """Whether a view of any of them lives. Every view holds a reference to its mapping."""
        for mapping in mappings:
            # The dictionary, each mention in this list, the loop and the argument; a dropped one is in no dictionary.
            expected = sys.getrefcount(mapping) - sum(other is mapping for other in mappings) - 2
            known = mapping in self._readable.values() or mapping in self._own.values()
            if expected > known:
                return True
        return False

    def write(self, data: Any, need: Any) -> "tuple[int, int, int]":
        """Copies `data` into the own extent and says where it is; `need(n)` asks the server for an extent."""
        length = len(data)
        if self._at + length > self._size:
            need(length)
            while self._receive() != GRANT:
                pass
        start = self._at
        self._own[self._extent][start : start + length] = data
        self._at = start + (length + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        return self._extent, start, length
