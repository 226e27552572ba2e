"""A worker: waits for calls in its slot, runs them one at a time, answers with messages.

The loop is the hot path of every Python function: one read, one call, one write.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
import sys
import termios
import threading
from collections import deque
from time import monotonic_ns
from types import CoroutineType, GeneratorType
from typing import Any

from ._call import CallEnded
from ._context import Context
from ._event import Event
from ._failure import pack_failure
from ._load import CONTEXT, NOTHING, OBJECT, TURN, Function
from ._memory import Memory
from ._object import Object
from ._record import pack
from ._values import decode, encode
from ._wire import (
    ANNOUNCED,
    BELL_BYTES,
    BYTES,
    CALL,
    CALL_AT,
    CALL_HEAD,
    CALLS_PER_RING,
    CANCELLED,
    CANCELLED_CALL,
    COUNTED_NS_MAX,
    FAILED,
    FAR,
    FLUSH,
    FLUSHED,
    FOLLOWED,
    FRAME_AT_MASK,
    FRAME_AT_SHIFT,
    GOES_ON,
    HAS_VALUE,
    HOLD,
    HURRY,
    INLINE_BYTES_MAX,
    KIND_EVENT,
    KIND_EVENTS,
    KIND_FAR,
    KIND_ONE,
    LENGTH_MASK,
    LET_GO,
    MESSAGE,
    MESSAGE_BYTES,
    MESSAGE_RECORD,
    MESSAGE_RECORD_BYTES,
    MESSAGES_AT,
    MESSAGES_BYTES,
    NEED,
    NO_BUCKET,
    NUDGE,
    OTHER,
    OUTPUT,
    PROMPT_END_NS,
    PUT,
    RECORD,
    RECORD_BYTES,
    RECORD_LINE,
    RETURNED,
    RUNG,
    SLOT_BYTES,
    WORDS_BYTES,
)

#: Of the calls of a prompt function one in this many is timed: the clock costs as much as the rest of showing a put.
_TIMED_EVERY = 8
_UNTIMED = -1
_NONE_UNREAD, _UNREAD = bytes(4), bytearray(4)  # as the kernel counts what is in a pipe
_FREE_BYTES = MESSAGES_BYTES - 2 * MESSAGE_BYTES  # a FLUSH always fits, and a HOLD after the end of a call


class Worker:
    """The slot, the doorbells and the functions of one worker process."""

    #: Whether other calls may be given before this one has ended: not where there is no server.
    _is_followed = 0

    def __init__(self, slot_fd: int, call_fd: int, reply_fd: int, control: socket.socket, setup: Any) -> None:
        self.slot = mmap.mmap(slot_fd, SLOT_BYTES)
        #: The words at its front, each read and written as a whole.
        self.words = memoryview(self.slot)[:WORDS_BYTES].cast("I")
        os.close(slot_fd)
        self.call_fd, self.reply_fd = call_fd, reply_fd
        self.memory = Memory(control, self)
        self.functions: "dict[int, Function]" = setup.functions
        self.buckets: "list[str]" = setup.buckets
        self.bucket_index = {name: index for index, name in enumerate(self.buckets)}
        self.lock = threading.RLock()
        self.serial = 0  # of the call that runs; 0 from its last message on
        self._speaks_of = 0  # serial of the call that messages belong to
        self._at = 0  # end of the messages of this call
        self._rung_at = 0  # end of those that were rung for
        self._put_ns = 0  # when this call put something first
        self._held: "list[tuple[int, list[Any]]]" = []
        self._streams = sys.stdout, sys.stderr
        #: Rings for calls that came while a flush was awaited.
        self._ahead: "deque[int]" = deque()
        self._unrung = 0  # calls that have ended since the last ring

    def serve(self) -> None:
        """Runs calls until the process is killed."""
        wait, call_fd, slot, number, ahead = os.read, self.call_fd, self.slot, int.from_bytes, self._ahead
        unpack, stdout, stderr = CALL_HEAD.unpack_from, sys.stdout, sys.stderr
        memory = self.memory
        while True:
            ring = ahead.popleft() if ahead else number(wait(call_fd, BELL_BYTES), "little")
            if not ring:
                os._exit(0)  # the server is gone
            if ring == NUDGE:
                # The server may have read what was announced and given another call: it is not noted in the slot again.
                self._ring()
                continue
            start = CALL_AT
            if ring & GOES_ON:
                start += ring >> FRAME_AT_SHIFT & FRAME_AT_MASK
            else:
                self._at = self._rung_at = 0
            self._is_followed = ring & FOLLOWED
            frame: Any = slot[start : start + (ring & LENGTH_MASK)]
            serial, function, kind, waiting = unpack(frame)
            if waiting:
                memory.receive(waiting)
            if kind == KIND_FAR:
                frame = memory.view(*FAR.unpack_from(frame, CALL.size))
                serial, function, kind, _ = unpack(frame)
            self._put_ns = 0
            self._run(frame, serial, function, kind)
            frame = None
            if sys.stdout is not stdout:
                sys.stdout = stdout
            stdout.flush()
            stderr.flush()
            if memory.streams:
                memory.close_streams()
            if memory.touched or self._held:
                self._report_held(serial)
            if self._is_followed:
                self._show_end()
            else:
                self.signal()

    def _run(self, frame: Any, serial: int, index: int, kind: int) -> None:
        function = self.functions[index]
        self.serial = self._speaks_of = serial
        context = Context(self, frame, serial, function)
        failed: "tuple[int, bytes] | None" = None
        try:
            shape = function.shape
            if shape == NOTHING:
                result = function.call()
            elif shape == CONTEXT:
                result = function.call(context)
            elif shape == TURN:
                result = self._turn(function, frame, context)
            else:
                if kind == KIND_ONE:
                    argument: Any = Object(frame, CALL.size, context)
                    if function.takes_value:
                        argument = argument.value
                else:
                    argument = _argument(frame, context, kind)
                result = function.call(argument) if shape == OBJECT else function.call(argument, context)
            if self.memory.streams:
                result = self._await_inputs(context, result)
            if result is None:
                self._end(RETURNED, 0, b"")
            elif type(result) is bytes and len(result) <= INLINE_BYTES_MAX:
                self._end_with(BYTES, result)
            else:
                self._return(context, result)
        except BaseException as error:
            failed = self._failure(context, error)
        if failed is not None:
            # Not before what the exception held is gone: that may print something.
            kind, body = failed
            self._end(kind, 0, body)
        if self._put_ns > 0 or self.words[HURRY]:
            self._learn(function)

    def _failure(self, context: Context, error: BaseException) -> "tuple[int, bytes]":
        """How a call ends that has raised: the kind of its last message, and what it says."""
        if context.cancelled and isinstance(error, Exception):
            return CANCELLED_CALL, b""
        return FAILED, pack_failure(error)

    def _turn(self, function: Any, frame: Any, context: Context) -> Any:
        """A call that is a turn of a workflow: what it wants is put, all with the end of the call. Or a question to it,
        whose answer is what the call returns."""
        lines = _lines(frame, context)
        what, after, number, seed = lines.pop(0)[0].split()
        if what == "query":
            return function.query(context.run, after, int(seed), lines)
        if what == "check":
            return function.check(context.run, int(seed), lines)
        commands = function.turn(context.run, after, int(number), int(seed), lines)
        for key, code, other, data in commands:
            if other is None and len(data) <= INLINE_BYTES_MAX:
                self.send_record(PUT, 0, OUTPUT, key.encode(), code, bytes(data))
            else:
                self.send(PUT, 0, pack(OUTPUT, key, code, other, data, place=self.place(data)))
        return None

    def _return(self, context: Context, result: Any) -> None:
        result = _run_on(context, result)
        if result is None:
            self._end(RETURNED, 0, b"")
            return
        code, data, other = encode(result)
        if other is None and len(data) <= INLINE_BYTES_MAX:
            self._end_with(code, data)
        else:
            with self.lock:
                self._end(RETURNED, HAS_VALUE, pack(NO_BUCKET, "", code, other, data, place=self.place(data)))

    def _end(self, kind: int, flags: int, body: bytes) -> None:
        """Sends the last message of the call: a thread that the function has left behind says nothing after it."""
        if self._is_followed:
            self.settle_output()
        with self.lock:
            self.serial = 0
            self.send(kind, flags, body)

    def _end_with(self, code: int, data: Any) -> None:
        """Sends the last message, with what the function returned."""
        if self._is_followed:
            self.settle_output()
        with self.lock:
            self.serial = 0
            self.send_record(RETURNED, HAS_VALUE, NO_BUCKET, b"", code, data)

    def _await_inputs(self, context: Context, result: Any) -> Any:
        """A call that reads an object while it is written ends after the object: a crash before that undoes both."""
        result = _run_on(context, result)
        for stream in self.memory.streams.values():
            stream.wait()
        return result

    def settle_output(self) -> None:
        """Sees to it that what the call has printed is read before it ends: the next one may begin at once."""
        stdout, stderr = self._streams
        stdout.flush()
        stderr.flush()
        if _is_unread(1) or _is_unread(2):
            with self.lock:
                self._flush()

    def tell(self, kind: int, body: bytes) -> None:
        """Sends a message of the running call and rings for it."""
        with self.lock:
            if not self.serial:
                raise CallEnded
            self.send(kind, 0, body)
            self.signal()

    def is_cancelled(self) -> bool:
        """Whether the running call should stop."""
        return self.words[CANCELLED] == self.serial

    def send_record(self, kind: int, flags: int, bucket: int, key: bytes, code: int, data: Any) -> None:
        """Appends a message with a record that has a key, a known content type, and its bytes within."""
        key_bytes, data_bytes, at = len(key), len(data), self._at
        total = MESSAGE_RECORD_BYTES + key_bytes + data_bytes
        if at + total > _FREE_BYTES:
            self._flush()
            at = 0
        head = MESSAGE_RECORD.pack(
            total, self._speaks_of, kind, flags,
            total - MESSAGE_BYTES, bucket, code, key_bytes, RECORD_BYTES + key_bytes, data_bytes,
        )  # fmt: skip
        start = MESSAGES_AT + at
        self.slot[start : start + total] = head + key + data
        self._at = at + total

    def place(self, data: Any) -> "tuple[int, int, int] | None":
        """Copies what is too large for a message to shared memory and says where it is."""
        return self.memory.write(data, self._need) if len(data) > INLINE_BYTES_MAX else None

    def send(self, kind: int, flags: int, body: bytes) -> None:
        """Appends a message; the server sees it at the next signal."""
        if self._at + MESSAGE_BYTES + len(body) > _FREE_BYTES:
            self._flush()
        self._append(kind, flags, body)

    def _append(self, kind: int, flags: int, body: bytes) -> None:
        total, at = MESSAGE_BYTES + len(body), self._at
        start = MESSAGES_AT + at
        MESSAGE.pack_into(self.slot, start, total, self._speaks_of, kind, flags, 0)
        if body:
            self.slot[start + MESSAGE_BYTES : start + total] = body
        self._at = at + total

    def show(self, function: Function) -> None:
        """Shows the server what was put: at once, or with the end of the call if that has been near call after call.

        Waking the server twice costs more than such a function. Should this call go on, the server reads what was
        announced after a while, and asks to be rung for the rest.
        """
        is_prompt = function.ending_ns <= PROMPT_END_NS and not self.words[HURRY]
        if not self._put_ns:
            self._put_ns = _UNTIMED if is_prompt and self.serial % _TIMED_EVERY else monotonic_ns()
        if is_prompt:
            self.words[ANNOUNCED] = self._at
        else:
            self.signal()

    def _learn(self, function: Function) -> None:
        """Counts this call in how long the function goes on after its first put, on average."""
        if self._put_ns:
            # A call that was not timed is counted when it had to hurry: it took long.
            took = COUNTED_NS_MAX if self._put_ns == _UNTIMED else monotonic_ns() - self._put_ns
            function.ending_ns += (min(took, COUNTED_NS_MAX) - function.ending_ns) >> 3

    def signal(self) -> None:
        """Shows the server all messages so far."""
        if self._at != self._rung_at:
            self.words[RUNG] = self._at
            self._ring()

    def _ring(self) -> None:
        new = self._at - self._rung_at
        if new:
            self._rung_at = self._at
            self._unrung = 0
            os.eventfd_write(self.reply_fd, new)

    def _show_end(self) -> None:
        """Shows the server that a call has ended: at once if it waits for nothing else, or with the ends of the calls that
        wait in the bell. Should one of those go on, the server reads what was announced after a while."""
        self._unrung += 1
        waits = self._ahead or _is_unread(self.call_fd)
        if waits and self._unrung < CALLS_PER_RING and not self.words[HURRY]:
            self.words[ANNOUNCED] = self._at
        else:
            self.signal()

    def _flush(self) -> None:
        """Waits until the server has read everything, and starts at the front again."""
        MESSAGE.pack_into(self.slot, MESSAGES_AT + self._at, MESSAGE_BYTES, self._speaks_of, FLUSH, 0, 0)
        self._at += MESSAGE_BYTES
        self.signal()
        while (ring := int.from_bytes(os.read(self.call_fd, BELL_BYTES), "little")) != FLUSHED:
            if not ring:
                os._exit(0)  # the server is gone
            self._ahead.append(ring)
        self._at = self._rung_at = 0

    def _need(self, length: int) -> None:
        self.send(NEED, 0, length.to_bytes(8, "little"))
        self.signal()

    def _report_held(self, serial: int) -> None:
        """Tells the server whether somebody still looks at this call's inputs, or no longer at earlier ones."""
        held, self._held = self._held, []
        for earlier, mappings in held:
            # After the end of a call nothing is flushed: what does not fit is said after the next one.
            fits = self._at + MESSAGE_BYTES + 4 <= _FREE_BYTES
            if not fits or self.memory.is_looked_at(mappings):
                self._held.append((earlier, mappings))
            else:
                self._append(LET_GO, 0, earlier.to_bytes(4, "little"))
        touched, self.memory.touched = self.memory.touched, []
        if touched and self.memory.is_looked_at(touched):
            self._held.append((serial, touched))
            self._append(HOLD, 0, b"")


def _is_unread(fd: int) -> bool:
    """Whether something lies in a pipe that nobody has read yet."""
    unread = _UNREAD  # filled in place, which is three times as fast as a new one
    try:
        fcntl.ioctl(fd, termios.FIONREAD, unread)
    except OSError:  # the function has closed it, or put something else in its place
        return False
    return unread != _NONE_UNREAD


def _argument(frame: Any, context: Context, kind: int) -> Any:
    """What a function is called with when it is not one object."""
    if kind == KIND_EVENT:
        return Event(Object(frame, CALL.size, context))
    return _listed(frame, CALL.unpack_from(frame)[5], context, kind)


def _listed(frame: Any, count: int, context: Context, kind: int) -> "list[Any]":
    found, at = [], CALL.size
    for _ in range(count):
        record = Object(frame, at, context)
        found.append(record)
        at += RECORD.unpack_from(frame, at)[0]
    return [Event(record) for record in found] if kind == KIND_EVENTS else found


def _lines(frame: Any, context: Context) -> "list[tuple[str, Any]]":
    """What a workflow is told: keys and values. These have bytes of their own, because it looks at them long after the
    call. The first says what this call is; it has no value."""
    lines, at = [], CALL.size
    for index in range(CALL.unpack_from(frame)[5]):
        total, code, key_bytes, data_bytes = RECORD_LINE.unpack_from(frame, at)
        start = at + RECORD_BYTES
        key = str(frame[start : start + key_bytes], "utf-8")
        value = None
        if index and (data_bytes or code != BYTES):
            record = Object(frame, at, context)
            value = record.value if code != OTHER else decode(bytes(record.data), record.content_type)
        lines.append((key, value))
        at += total
    return lines


def _run_on(context: Context, result: Any) -> Any:
    """What a function that is a coroutine or a generator comes to."""
    kind = type(result)
    if kind is CoroutineType:
        import asyncio

        return asyncio.run(result)
    return _drain(result, context) if kind is GeneratorType else result


def _drain(generator: Any, context: Context) -> Any:
    """Puts what a generator function yields, each at once; its return value is the call's."""
    while True:
        try:
            item = next(generator)
        except StopIteration as end:
            return end.value
        context._put_yielded(item)
