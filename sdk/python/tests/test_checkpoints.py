"""Checkpoints: code that begins at one wants what code wants that goes on after it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import json
import random
import unittest
import unittest.mock

import sdk_path  # noqa: F401
import sluicegate as sg
from sluicegate._instance import Diverged, Instance
from sluicegate._turns import Names
from sluicegate._values import decode, name_of

app = sg.App("checkpoints")
names = Names([app])
#: What is another in each turn, and must be recorded.
outside = [0]


async def program(ctx, input):
    """Rounds of what follows from the input and the number of the round."""
    state = ctx.state or {"round": 0, "log": []}

    def note(what):
        state["log"] = [*state["log"][-20:], what]

    async def add(value):
        note(await ctx.call("work", ["update", value]))
        return state["round"]

    ctx.on_update("note", note)
    ctx.on_update("add", add)
    while state["round"] < input["rounds"]:
        if state["round"] > 2:
            ctx.on_update("late", note)
        note(str(ctx.now()))
        plan = random.Random(f"{input['seed']} {state['round']}")
        for _ in range(plan.randrange(3)):
            note(await step(ctx, plan))
        state["round"] += 1
        if plan.random() < 0.5:
            await ctx.checkpoint(state)
            assert ctx.state == state
    return state


async def step(ctx, plan):
    async def waits(n):
        await asyncio.sleep(n)
        return await ctx.call("work", n)

    kind = plan.randrange(10)
    if kind == 0:
        return await ctx.call("work", plan.random())
    if kind == 1:
        return await ctx.map("work", range(plan.randrange(4)), concurrency=2)
    if kind == 2:
        return await ctx.sleep(plan.randrange(100))
    if kind == 3:
        return await ctx.wait_event("told")
    if kind == 4:
        try:
            return await ctx.wait_event(plan.choice(["told", "never"]), timeout=plan.randrange(50))
        except TimeoutError:
            return "late"
    if kind == 5:
        return ctx.record("outside", lambda: outside[0])
    if kind == 6:
        return ctx.patched(plan.choice(["a", "b"]))
    if kind == 7:
        return [ctx.random.random(), str(ctx.uuid4())]
    if kind == 8:
        return await ctx.first(waits(plan.randrange(30)), ctx.call("work", 1), ctx.sleep(10))
    return await ctx.gather(waits(1), waits(2), ctx.call("work", 3))


class World:
    """All that the code was told and wanted, and what it has not been told yet. Time passes with each thing told."""

    def __init__(self, code, input, seed=7):
        self.code, self.input, self.seed = code, input, seed
        self.now_ms = 1_000
        self.commands = 0
        #: Entries and commands in the order of the journal: (number, key, value, whether it is an entry).
        self.lines = []
        self.entries = 0
        self.told = 0
        self.under_way = {}
        #: Command, entries, time and value of the last checkpoint.
        self.checkpoint = None
        self.warm = Instance(code, "run", names, seed)
        self.ended = None
        self.tell("start", input)

    def tell(self, news, value=None):
        self.now_ms += 7
        self.entries += 1
        self.lines.append((self.entries, f"{self.now_ms} {news}", value, True))

    def news(self):
        return [(key, value) for number, key, value, is_entry in self.lines if is_entry and self.told < number]

    def journal(self, told):
        """What a worker is told that knows nothing, the entries so far."""
        command, entries, at_ms, value = self.checkpoint or (-1, 0, 0, None)
        lines = []
        for number, key, data, is_entry in self.lines:
            if is_entry and entries < number <= told:
                lines.append((key, data))
            elif not is_entry and number > command:
                lines.append((f"= {key}", data))
        if self.checkpoint:
            lines[:0] = [(f"checkpoint {command} {entries}", value), (f"{at_ms} start", self.input)]
        return lines

    def cold(self, told):
        instance = Instance(self.code, "run", names, self.seed)
        instance.begin(self.journal(told))
        wanted = instance.commands
        instance.drop()
        return wanted

    def turn(self, meanwhile=lambda: None):
        """A turn that tells everything, in which more happens."""
        told, news = self.entries, self.news()
        outside[0] += 1
        # By a worker that has lost the workflow, and by one that has not.
        wanted = self.cold(told)
        self.warm.go_on(news)
        assert wanted == self.warm.commands, (wanted, self.warm.commands)
        self.warm.commands = []
        meanwhile()
        at_ms = {number: int(key.split()[0]) for number, key, _, is_entry in self.lines if is_entry}
        self.told = told
        for key, code, other, data in wanted:
            self.want(key, decode(data, name_of(code, other or "")) if len(data) else None, at_ms)

    def want(self, key, value, at_ms):
        number, (_, verb, *rest) = self.commands, key.split(" ")
        self.commands += 1
        self.lines.append((number, key, value if verb in ("record", "checkpoint") else None, False))
        if verb in ("call", "sleep"):
            self.under_way[number] = verb
        elif verb == "cancel":
            self.under_way.pop(int(rest[0]), None)
        elif verb == "checkpoint":
            self.checkpoint = (number, int(rest[0]), at_ms[int(rest[0])], value)
        elif verb in ("return", "fail", "stopped"):
            self.ended = (verb, value)

    def happen(self, chance):
        kind = chance.randrange(9)
        if kind < 5 and self.under_way:
            number = chance.choice(list(self.under_way))
            verb = self.under_way.pop(number)
            self.tell(f"done {number}", chance.randrange(10) if verb == "call" else None)
        elif kind == 5:
            self.tell(f"signal {chance.choice(['told', 'other'])}", chance.randrange(10))
        elif kind > 5:
            self.tell(f"update u{self.entries} {chance.choice(['note', 'add', 'late'])}", chance.randrange(10))


# Code that is dropped where its `finally` would wait has nothing to wait on, and Python says so.
silence = contextlib.ExitStack()


def setUpModule():
    silence.enter_context(unittest.mock.patch("sys.unraisablehook", lambda _: None))
    silence.enter_context(contextlib.redirect_stdout(io.StringIO()))


def tearDownModule():
    gc.collect()
    silence.close()


class Equivalence(unittest.TestCase):
    def test_a_cold_worker_wants_what_a_warm_one_wants(self):
        checkpoints, left, ends = 0, 0, 0
        for seed in range(150):
            chance = random.Random(seed)
            world = World(program, {"seed": seed, "rounds": 8})
            for _ in range(200):
                for _ in range(chance.randrange(3)):
                    world.happen(chance)
                if chance.random() < 0.002:
                    world.tell("cancel", "enough")
                if world.entries > world.told:
                    before = world.checkpoint
                    world.turn(lambda: [world.happen(chance) for _ in range(chance.randrange(3))])
                    if world.checkpoint != before:
                        checkpoints += 1
                        left += len(world.checkpoint[3]["signals"])
                if world.ended:
                    ends += 1
                    break
        self.assertGreater(checkpoints, 300)
        self.assertGreater(left, 100, "signals that nobody had taken at a checkpoint")
        self.assertGreater(ends, 100)

    def test_code_that_wants_something_else_after_a_checkpoint_is_caught(self):
        async def code(ctx, input):
            called = "again" if ctx.state else "work"
            while True:
                await ctx.call(called)
                await ctx.checkpoint(1)

        async def in_the_wrong_place(ctx, input):
            while True:
                await ctx.checkpoint(1)
                await ctx.call("work")

        for code, difference in (
            (code, "command 3: expected `call work`, the code wants `call again`"),
            (in_the_wrong_place, "command 2: expected `call work`, the code wants `checkpoint 1`"),
        ):
            world = World(code, None)
            world.turn()
            world.tell("done 0" if world.checkpoint is None else "signal any")
            with self.assertRaisesRegex(Diverged, difference):
                world.turn()
                world.cold(world.told)


class Refusals(unittest.TestCase):
    def outcome(self, code):
        """What comes of code that is told its start."""
        instance = Instance(code, "run", names, 1)
        instance.begin([("5 start", None)])
        key, _, _, data = instance.commands[-1]
        return key.split(" ", 1)[1], json.loads(bytes(data))["message"] if data else None

    def test_what_is_under_way_is_named(self):
        async def calls(ctx, input):
            ctx.emit("hello")
            await ctx.checkpoint(1)

        async def tasks(ctx, input):
            task = asyncio.create_task(asyncio.Event().wait(), name="watcher")
            await ctx.checkpoint(1)
            await task

        async def elsewhere(ctx, input):
            await ctx.gather(ctx.checkpoint(1))

        self.assertEqual(self.outcome(calls), ("fail", "await what is under way before a checkpoint: `emit hello`"))
        self.assertEqual(self.outcome(tasks), ("fail", "await what is under way before a checkpoint: task watcher"))
        self.assertRegex(self.outcome(elsewhere)[1], "only the workflow itself takes checkpoints")

    def test_a_state_that_cannot_be_kept_is_refused_where_it_is_given(self):
        async def code(ctx, input):
            try:
                await ctx.checkpoint(object())
            except TypeError as error:
                return str(error)

        instance = Instance(code, "run", names, 1)
        instance.begin([("5 start", None)])
        self.assertRegex(bytes(instance.commands[0][3]).decode(), "object is not JSON serializable|cannot carry")

    def test_once_cancelled_there_is_no_checkpoint(self):
        async def code(ctx, input):
            try:
                await ctx.sleep(1)
            except asyncio.CancelledError:
                await ctx.checkpoint({"cancelled": True})
                assert ctx.state is None
                raise

        instance = Instance(code, "run", names, 1)
        instance.begin([("5 start", None), ("6 cancel", "why")])
        self.assertEqual([key.split(" ")[1] for key, *_ in instance.commands], ["sleep", "cancel", "stopped"])


class States(unittest.TestCase):
    def test_states_of_every_kind_come_back(self):
        for state in (True, 0, 1.5, "ü", b"\x00\xff", [], {"a": [None, b"x"]}, "x" * 100_000):
            async def code(ctx, input):
                if ctx.state is None:
                    await ctx.wait_event("first")
                    await ctx.checkpoint(state)
                assert ctx.state == state and type(ctx.state) is type(state), ctx.state
                await ctx.wait_event("never")

            world = World(code, None)
            for name in ("first", "other", "other"):
                world.tell(f"signal {name}")
                world.turn()
            self.assertIsNotNone(world.checkpoint)
            self.assertIsNone(world.ended)


if __name__ == "__main__":
    unittest.main()
