"""A worker: waits for calls in its slot, runs them one at a time, answers with messages.

The loop is the hot path of every Python function: one read, one call, one write.
"""

from __future__ import annotations

import mmap
import os
import socket
import sys
import threading
from time import monotonic_ns
from types import CoroutineType, GeneratorType
from typing import Any

from ._call import Call
from ._context import Context
from ._event import Event
from ._failure import pack_failure
from ._load import CONTEXT, NOTHING, OBJECT, Function
from ._memory import Memory
from ._object import Object
from ._record import pack
from ._values import encode
from ._wire import (
    ANNOUNCED,
    ANNOUNCED_AT,
    CALL,
    CALL_AT,
    CANCELLED_CALL,
    COUNTED_NS_MAX,
    FAILED,
    FAR,
    FLUSH,
    HAS_VALUE,
    HOLD,
    HURRY_AT,
    INLINE_BYTES_MAX,
    KIND_EVENT,
    KIND_EVENTS,
    KIND_FAR,
    KIND_ONE,
    LET_GO,
    MESSAGE,
    MESSAGE_BYTES,
    MESSAGE_RECORD,
    MESSAGES_AT,
    MESSAGES_BYTES,
    NEED,
    NO_BUCKET,
    PROMPT_END_NS,
    RECORD,
    RECORD_BYTES,
    RETURNED,
    SLOT_BYTES,
)

_RECORD_AT = MESSAGE_RECORD.size  # where the key of a record starts in its message
_FREE_BYTES = MESSAGES_BYTES - MESSAGE_BYTES  # a FLUSH always fits


class Worker:
    """The slot, the doorbells and the functions of one worker process."""

    def __init__(self, slot_fd: int, call_fd: int, reply_fd: int, control: socket.socket, setup: Any) -> None:
        self.slot = mmap.mmap(slot_fd, SLOT_BYTES)
        os.close(slot_fd)
        self.call_fd, self.reply_fd = call_fd, reply_fd
        self.memory = Memory(control)
        self.functions: "dict[int, Function]" = setup.functions
        self.buckets: "list[str]" = setup.buckets
        self.bucket_index = {name: index for index, name in enumerate(self.buckets)}
        self.lock = threading.RLock()
        self.serial = 0  # of the call that runs; 0 between calls
        self._serial = 0
        self._at = 0  # end of the messages of this call
        self._unsignalled = 0
        self._put_ns = 0  # when this call put something first
        self._held: "list[tuple[int, list[Any]]]" = []

    def serve(self) -> None:
        """Runs calls until the process is killed."""
        wait, call_fd, slot = os.eventfd_read, self.call_fd, self.slot
        unpack, stdout, stderr = CALL.unpack_from, sys.stdout, sys.stderr
        memory, header = self.memory, CALL.size
        while True:
            length = wait(call_fd)
            frame: Any = slot[CALL_AT : CALL_AT + length]
            serial, function, kind, waiting, attempt, count, context_at = unpack(frame)
            if waiting:
                memory.receive(waiting)
            if kind == KIND_FAR:
                frame = memory.view(*FAR.unpack_from(frame, header))
                serial, function, kind, waiting, attempt, count, context_at = unpack(frame)
            self.serial = self._serial = serial
            self._at = self._unsignalled = self._put_ns = 0
            self._run(frame, serial, function, kind, attempt, count, context_at)
            frame = None
            if sys.stdout is not stdout:
                sys.stdout = stdout
            stdout.flush()
            stderr.flush()
            if memory.touched or self._held:
                self._report_held(serial)
            self.serial = 0
            self.signal()

    def _run(self, frame: Any, serial: int, index: int, kind: int, attempt: int, count: int, at: int) -> None:
        function = self.functions[index]
        call = Call(self, frame, serial, function, attempt, at)
        try:
            shape = function.shape
            if shape == NOTHING:
                result = function.call()
            elif shape == CONTEXT:
                result = function.call(Context(call))
            else:
                argument: Any = Object(frame, CALL.size, call)
                if kind != KIND_ONE:
                    argument = _listed(frame, count, call, kind) if kind != KIND_EVENT else Event(argument)
                result = function.call(argument) if shape == OBJECT else function.call(argument, Context(call))
            if type(result) is bytes and len(result) <= INLINE_BYTES_MAX:
                self.send_record(RETURNED, HAS_VALUE, NO_BUCKET, b"", 0, result)
            elif result is not None:
                self._return(call, result)
            else:
                self.send(RETURNED, 0, b"")
        except BaseException as error:
            if call.cancelled and isinstance(error, Exception):
                self.send(CANCELLED_CALL, 0, b"")
            else:
                self.send(FAILED, 0, pack_failure(error))
        if self._put_ns:
            took = monotonic_ns() - self._put_ns
            function.ending_ns += ((took if took < COUNTED_NS_MAX else COUNTED_NS_MAX) - function.ending_ns) >> 3

    def _return(self, call: Call, result: Any) -> None:
        kind = type(result)
        if kind is CoroutineType:
            import asyncio

            result = asyncio.run(result)
        elif kind is GeneratorType:
            result = _drain(result, call)
        if result is None:
            self.send(RETURNED, 0, b"")
            return
        code, data, other = encode(result)
        if other is None and len(data) <= INLINE_BYTES_MAX:
            self.send_record(RETURNED, HAS_VALUE, NO_BUCKET, b"", code, data)
        else:
            self.send(RETURNED, HAS_VALUE, pack(NO_BUCKET, "", code, other, data, place=self.place(data)))

    def send_record(self, kind: int, flags: int, bucket: int, key: bytes, code: int, data: Any) -> None:
        """Appends a message with a record that has a key, a known content type, and its bytes within."""
        data_at, length, at = RECORD_BYTES + len(key), len(data), self._at
        total = MESSAGE_BYTES + data_at + length
        if at + total > _FREE_BYTES:
            self._flush()
            at = 0
        start = MESSAGES_AT + at
        MESSAGE_RECORD.pack_into(
            self.slot, start, total, self._serial, kind, flags,
            data_at + length, bucket, code, len(key), data_at, length,
        )  # fmt: skip
        self.slot[start + _RECORD_AT : start + total] = key + data if key else data
        self._at = at + total
        self._unsignalled += total

    def place(self, data: Any) -> "tuple[int, int, int] | None":
        """Copies what is too large for a message to shared memory and says where it is."""
        return self.memory.write(data, self._need) if len(data) > INLINE_BYTES_MAX else None

    def send(self, kind: int, flags: int, body: bytes) -> None:
        """Appends a message; the server sees it at the next signal."""
        total = MESSAGE_BYTES + len(body)
        if self._at + total > _FREE_BYTES:
            self._flush()
        at = MESSAGES_AT + self._at
        MESSAGE.pack_into(self.slot, at, total, self._serial, kind, flags, 0)
        if body:
            self.slot[at + MESSAGE_BYTES : at + total] = body
        self._at += total
        self._unsignalled += total

    def show(self, function: Function) -> None:
        """Shows the server what was put: at once, or with the end of the call if that has been near call after call.

        Waking the server twice costs more than such a function. Should this call go on, the server reads what was
        announced after a while, and asks to be rung for the rest.
        """
        if not self._put_ns:
            self._put_ns = monotonic_ns()
        if function.ending_ns > PROMPT_END_NS or self.slot[HURRY_AT]:
            self.signal()
        else:
            ANNOUNCED.pack_into(self.slot, ANNOUNCED_AT, self._at)

    def signal(self) -> None:
        """Shows the server all messages so far."""
        unsignalled = self._unsignalled
        if unsignalled:
            self._unsignalled = 0
            os.eventfd_write(self.reply_fd, unsignalled)

    def _flush(self) -> None:
        """Waits until the server has read everything, and starts at the front again."""
        MESSAGE.pack_into(self.slot, MESSAGES_AT + self._at, MESSAGE_BYTES, self._serial, FLUSH, 0, 0)
        self._unsignalled += MESSAGE_BYTES
        self.signal()
        os.eventfd_read(self.call_fd)
        self._at = 0

    def _need(self, length: int) -> None:
        self.send(NEED, 0, length.to_bytes(8, "little"))
        self.signal()

    def _report_held(self, serial: int) -> None:
        """Tells the server whether somebody still looks at this call's inputs, or no longer at earlier ones."""
        held, self._held = self._held, []
        for earlier, mappings in held:
            if self.memory.is_looked_at(mappings):
                self._held.append((earlier, mappings))
            else:
                self.send(LET_GO, 0, earlier.to_bytes(4, "little"))
        touched, self.memory.touched = self.memory.touched, []
        if touched and self.memory.is_looked_at(touched):
            self._held.append((serial, touched))
            self.send(HOLD, 0, b"")


def _objects(frame: Any, count: int, call: Call) -> "list[Object]":
    objects, at = [], CALL.size
    for _ in range(count):
        objects.append(Object(frame, at, call))
        at += RECORD.unpack_from(frame, at)[0]
    return objects


def _listed(frame: Any, count: int, call: Call, kind: int) -> "list[Any]":
    objects = _objects(frame, count, call)
    return [Event(found) for found in objects] if kind == KIND_EVENTS else objects


def _drain(generator: Any, call: Call) -> Any:
    """Puts what a generator function yields, each at once; its return value is the call's."""
    while True:
        try:
            item = next(generator)
        except StopIteration as end:
            return end.value
        call.put_yielded(item)
