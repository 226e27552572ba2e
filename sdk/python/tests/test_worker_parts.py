"""The parts of a worker that need no server. Run: python3 -m unittest discover -s sdk/python/tests"""

import fcntl
import io
import os
import sys
import threading
import types
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from sluicegate._call import CallEnded
from sluicegate._failure import pack_failure, stack_of
from sluicegate._load import CONTEXT, NOTHING, OBJECT, OBJECT_CONTEXT, Function, shape_of
from sluicegate._object import Object
from sluicegate._parts import PART_ALIGNMENT, PARTS
from sluicegate._stream import OpenObject, OutputNotRepeatable, StreamWriter
from sluicegate._values import Unserialisable, decode, encode, name_of
from sluicegate._wire import (
    ANNOUNCED,
    CALL,
    COUNTED_NS_MAX,
    FAILED,
    FAILURE,
    HURRY,
    KIND_ONE,
    LIMIT,
    MESSAGE,
    MESSAGES_AT,
    OUT_OF_MEMORY,
    PUT,
    RAISED,
    RETURNED,
    SLOT_BYTES,
    UNSERIALISABLE,
)
from sluicegate._worker import Worker


class Values(unittest.TestCase):
    def test_each_type_has_its_content_type(self):
        for value, content_type, data in [
            (b"x", "application/octet-stream", b"x"),
            (bytearray(b"x"), "application/octet-stream", b"x"),
            (memoryview(b"abc")[::2], "application/octet-stream", b"ac"),
            ("ä", "text/plain", "ä".encode()),
            ({"a": [1, 2.5, None]}, "application/json", b'{"a":[1,2.5,null]}'),
            ([], "application/json", b"[]"),
            ((1, 2), "application/json", b"[1,2]"),
            (True, "application/json", b"true"),
            (7, "application/json", b"7"),
            (0.5, "application/json", b"0.5"),
        ]:
            code, found, other = encode(value)
            self.assertEqual((name_of(code, other), bytes(found)), (content_type, data))

    def test_values_come_back(self):
        for value in [b"x", "text", {"a": 1}, [1], 7, "ü" * 1000]:
            code, data, other = encode(value)
            self.assertEqual(decode(data, name_of(code, other)), value)

    def test_what_cannot_be_encoded_is_named(self):
        for value, expected in [({1}, "set"), (object(), "object"), ({"a": {1}}, "set"), (float("nan"), "float")]:
            with self.assertRaises(Unserialisable) as caught:
                encode(value)
            self.assertIn(expected, str(caught.exception))

    def test_structures_may_hold_bytes(self):
        value = {"a": [b"x", {"b": b""}], "c": 'ü "$part":', "d": bytes(100_000), "e": {"$port": 1}}
        code, data, other = encode(value)
        self.assertEqual(name_of(code, other), PARTS)
        self.assertEqual(decode(memoryview(data), PARTS), value)
        self.assertEqual(decode(encode((b"x",))[1], PARTS), [b"x"])
        with self.assertRaisesRegex(Unserialisable, "the key '.part' is taken"):
            encode({"a": b"x", "$part": 0})
        self.assertEqual(encode({"$part": 0})[1], b'{"$part":0}')

    def test_parts_begin_where_arrays_can_be_read(self):
        data = bytes(encode([b"first", b"second" * 50])[1])
        self.assertEqual((data.index(b"first") % PART_ALIGNMENT, data.index(b"second") % PART_ALIGNMENT), (0, 0))

    def test_a_cycle_is_unserialisable(self):
        value: list = []
        value.append(value)
        with self.assertRaises(Unserialisable):
            encode(value)


class Objects(unittest.TestCase):
    def test_attributes(self):
        found = Object.of({"a": 1}, key="k/ä", bucket="b", run="r", meta={"m": "1"})
        self.assertEqual(
            (found.key, found.bucket, found.run, found.size, found.content_type, found.group, found.meta),
            ("k/ä", "b", "r", 7, "application/json", None, {"m": "1"}),
        )
        self.assertEqual((found.value, found.json(), found.text()), ({"a": 1}, {"a": 1}, '{"a":1}'))

    def test_data_is_read_only(self):
        found = Object.of(b"abc")
        self.assertTrue(found.data.readonly)
        self.assertEqual((bytes(found), len(found), found.value), (b"abc", 3, b"abc"))

    def test_stream_reads_and_seeks(self):
        stream = Object.of(b"one\ntwo\n").stream()
        self.assertEqual(stream.readline(), b"one\n")
        stream.seek(-4, io.SEEK_END)
        self.assertEqual(stream.read(), b"two\n")


class Shapes(unittest.TestCase):
    def test_by_signature(self):
        class Context:
            pass

        def annotated(c: Context):
            pass

        def second(o, c: "sg.Context" = None):  # noqa: F821
            pass

        for call, shape in [
            (lambda: 0, NOTHING),
            (lambda obj: 0, OBJECT),
            (lambda obj, ctx: 0, OBJECT_CONTEXT),
            (lambda ctx: 0, CONTEXT),
            (lambda obj, n=1: 0, OBJECT),
            (lambda *args: 0, OBJECT),
            (lambda *, flag=True: 0, NOTHING),
            (annotated, CONTEXT),
            (second, OBJECT_CONTEXT),
            (len, OBJECT),
        ]:
            self.assertEqual(shape_of(call), shape, call)


class PromptFunctions(unittest.TestCase):
    """Those that end right after their puts, call after call: nobody is rung for each put, and few calls are timed."""

    def worker_of(self, call):
        self.function = Function("f", call, [], ["input", "output"])
        self.function.ending_ns = 0
        slot, self.bell = os.memfd_create("slot"), os.eventfd(0, os.EFD_NONBLOCK)
        self.addCleanup(os.close, self.bell)
        os.ftruncate(slot, SLOT_BYTES)
        setup = types.SimpleNamespace(functions={0: self.function}, buckets=["input", "output"])
        return Worker(slot, -1, self.bell, None, setup)

    def run_calls(self, worker, serials):
        """How often the clock was looked at."""
        with mock.patch("sluicegate._worker.monotonic_ns", side_effect=range(1, 10**6, 8)) as clock:
            for worker.serial in serials:
                worker._at = worker._rung_at = worker._put_ns = worker.words[HURRY] = 0
                frame = CALL.pack(worker.serial, 0, KIND_ONE, 0, 1, 0, CALL.size)
                worker._run(frame, worker.serial, 0, KIND_ONE)
            return clock.call_count

    def test_one_call_in_eight_is_timed(self):
        worker = self.worker_of(lambda ctx: ctx.put("output", "k", b"x"))
        self.assertEqual(self.run_calls(worker, range(1, 17)), 2 * 2)
        self.assertGreater(worker.words[ANNOUNCED], 0)
        with self.assertRaises(BlockingIOError):
            os.eventfd_read(self.bell)

    def test_every_call_is_timed_of_one_that_is_not_prompt(self):
        worker = self.worker_of(lambda ctx: ctx.put("output", "k", b"x"))
        self.function.ending_ns = COUNTED_NS_MAX
        self.assertEqual(self.run_calls(worker, range(1, 17)), 16 * 2)
        self.assertLess(self.function.ending_ns, COUNTED_NS_MAX)
        self.assertGreater(os.eventfd_read(self.bell), 0)

    def test_a_call_that_had_to_hurry_counts_although_it_was_not_timed(self):
        def slow(ctx):
            ctx.put("output", "k", b"x")
            ctx._worker.words[HURRY] = 1  # the server, after 5 ms

        self.assertEqual(self.run_calls(self.worker_of(slow), [1]), 0)
        self.assertEqual(self.function.ending_ns, COUNTED_NS_MAX >> 3)


class LastMessages(unittest.TestCase):
    """After the message that ends a call nothing follows it, whatever threads the function has left behind."""

    def setUp(self):
        self.refused = []

    def ended(self, call):
        """Kinds of the messages of a call during whose last message another thread puts something."""
        function = Function("f", lambda ctx: self.interfering(ctx, call), [], ["input", "output"])
        slot, bell = os.memfd_create("slot"), os.eventfd(0, os.EFD_NONBLOCK)
        self.addCleanup(os.close, bell)
        os.ftruncate(slot, SLOT_BYTES)
        worker = Worker(slot, -1, bell, None, types.SimpleNamespace(functions={0: function}, buckets=["input", "output"]))
        worker._run(CALL.pack(7, 0, KIND_ONE, 0, 1, 0, CALL.size), 7, 0, KIND_ONE)
        self.thread.join()
        kinds, at = [], MESSAGES_AT
        while at < MESSAGES_AT + worker._at:
            length, serial, kind, _, _ = MESSAGE.unpack_from(worker.slot, at)
            self.assertEqual(serial, 7)
            kinds.append(kind)
            at += length
        return kinds

    def interfering(self, ctx, call):
        worker, begun = ctx._worker, threading.Event()

        def put():
            begun.set()
            try:
                ctx.put("output", "late", b"x")
            except CallEnded as error:
                self.refused.append(error)

        def interrupted(send):
            def first_the_thread(kind, *rest):
                if kind in (RETURNED, FAILED):
                    self.thread.start()
                    begun.wait()
                send(kind, *rest)

            return first_the_thread

        self.thread = threading.Thread(target=put)
        worker.send, worker.send_record = interrupted(worker.send), interrupted(worker.send_record)
        ctx.put("output", "early", b"x")
        return call()

    def test_a_put_of_another_thread_is_refused(self):
        def fails():
            raise ValueError

        cases = [(lambda: None, RETURNED), (lambda: b"x", RETURNED), (lambda: {"a": 1}, RETURNED), (fails, FAILED)]
        for count, (call, last) in enumerate(cases, 1):
            self.assertEqual(self.ended(call), [PUT, last])
            self.assertEqual(len(self.refused), count)


class Failures(unittest.TestCase):
    def unpack(self, error):
        kind, *lengths = FAILURE.unpack_from(packed := pack_failure(error))
        at, texts = FAILURE.size, []
        for length in lengths:
            texts.append(packed[at : at + length].decode())
            at += length
        self.assertEqual(at, len(packed))
        return kind, *texts

    def test_kinds(self):
        self.assertEqual(self.unpack(ValueError("no"))[:3], (RAISED, "ValueError", "no"))
        self.assertEqual(self.unpack(Unserialisable("x"))[0], UNSERIALISABLE)
        self.assertEqual(self.unpack(MemoryError())[:2], (OUT_OF_MEMORY, "MemoryError"))
        self.assertIn("sys.exit(2)", self.unpack(SystemExit(2))[2])
        self.assertNotEqual(self.unpack(MemoryError())[0], LIMIT)

    def test_a_broken_str_and_an_endless_message_do_no_harm(self):
        class Broken(Exception):
            def __str__(self):
                raise RuntimeError

        self.assertIn("cannot be shown", self.unpack(Broken())[2])
        self.assertLess(len(self.unpack(ValueError("x" * 10**6))[2]), 20_000)

    def test_the_cause_is_in_the_stack(self):
        try:
            try:
                raise KeyError("first")
            except KeyError as error:
                raise ValueError("second") from error
        except ValueError as error:
            stack = stack_of(error)
        self.assertIn("KeyError: 'first'", stack)
        self.assertIn("ValueError: second", stack)


class Streams(unittest.TestCase):
    def test_a_closed_stream_lets_go_of_its_descriptors_once(self):
        file, bell = os.pipe()
        stream = OpenObject(1, file, bell, mock.Mock())
        stream.close()
        others = os.pipe()
        self.assertEqual(others, (file, bell), "the numbers are given again")
        stream.close()
        with self.assertRaises(ValueError):
            stream.read(1, 0)
        for other in others:
            os.close(other)

    def test_what_an_earlier_attempt_ended_cannot_be_added_to(self):
        file = os.memfd_create("object", os.MFD_ALLOW_SEALING)
        os.write(file, b"whole")
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW)
        call = mock.Mock()
        call._open_stream.return_value = 1, file
        writer = StreamWriter(call, lambda place: b"")
        writer.write("who")
        with self.assertRaisesRegex(OutputNotRepeatable, "ended the object after 5 bytes"):
            writer.write("le and more")
        call._say.assert_not_called()
        writer._let_go()


if __name__ == "__main__":
    unittest.main()
