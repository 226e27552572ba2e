"""Workflows as code, on the stage: time is virtual, everything else is as on a server."""

from __future__ import annotations

import asyncio
import datetime
import functools
import time
import unittest

import sdk_path  # noqa: F401
import sluicegate as sg

app = sg.App("shop")
emails: list[str] = []


@app.function()
def charge(order):
    return order.value["amount"]


@app.function()
def remind(name):
    emails.append(name.value)


@app.function(retries=0)
def refund(amount):
    return -amount.value


@app.workflow
async def subscription(ctx, input):
    paid = 0
    for month in range(12):
        paid += await ctx.call(charge, {"amount": 10, "month": month})
        await ctx.sleep(datetime.timedelta(days=30))
    return {"paid": paid, "days": (ctx.now() - start_of(input)).days}


@app.workflow
async def approval(ctx, input):
    for attempt in range(3):
        try:
            return await ctx.wait_event("approved", timeout=3600)
        except TimeoutError:
            await ctx.call(remind, f"reminder {attempt + 1}")
    return "gave up"


@app.workflow
async def saga(ctx, input):
    undo = []
    try:
        for amount in input:
            undo.append(await ctx.call(charge, {"amount": amount}))
    except sg.CallFailed as error:
        for amount in reversed(undo):
            await ctx.call(refund, amount)
        return {"undone": undo, "because": error.message}
    return {"charged": undo}


@app.workflow
async def tasks(ctx, input):
    async def one(n):
        await asyncio.sleep(n)
        return n

    running = [asyncio.create_task(one(n)) for n in (3, 1, 2)]
    done, pending = await asyncio.wait(running, timeout=2.5)
    for task in pending:
        task.cancel()
    results = await asyncio.gather(*running, return_exceptions=True)
    return [str(result) for result in results]


def unfit(function):
    @functools.wraps(function)
    async def call(ctx, input):
        return await function(ctx)

    return call


@app.workflow
@unfit
async def wrapped(ctx, input):
    return input


@app.workflow
async def mapping(ctx, concurrency):
    return await ctx.map(charge, [{"amount": 1}], concurrency=concurrency)


@app.workflow
async def counting(ctx, input):
    state = ctx.state or {"rounds": 0, "paid": 0, "drawn": []}
    while state["rounds"] < input:
        state["paid"] += await ctx.call(charge, {"amount": state["rounds"]})
        state["drawn"].append([ctx.random(), ctx.random.random(), str(ctx.uuid4()), str(ctx.now())])
        state["rounds"] += 1
        await ctx.wait_event("next", timeout=3600)
        if state["rounds"] % 3 == 0:
            await ctx.checkpoint(state)
    return state


@app.workflow
async def beginning_elsewhere(ctx, input):
    await ctx.sleep(1)
    await ctx.checkpoint("here")
    await ctx.call(charge, {"amount": 1})
    await ctx.wait_event("next")


def start_of(input):
    return datetime.datetime.fromisoformat(input)


@app.workflow
async def waits(ctx, spans):
    for span in spans:
        await ctx.sleep(span)
        try:
            await ctx.wait_event("never", timeout=span)
        except TimeoutError as error:
            message = str(error)
    return message

IO = {
    "thread": lambda loop: asyncio.to_thread(time.time),
    "executor": lambda loop: loop.run_in_executor(None, time.time),
    "connection": lambda loop: asyncio.open_connection("127.0.0.1", 1),
    "server": lambda loop: asyncio.start_server(print, "127.0.0.1", 0),
    "unix connection": lambda loop: asyncio.open_unix_connection("nowhere"),
    "unix server": lambda loop: asyncio.start_unix_server(print, "nowhere"),
    "datagrams": lambda loop: loop.create_datagram_endpoint(asyncio.DatagramProtocol),
    "socket": lambda loop: loop.sock_accept(None),
    "name": lambda loop: loop.getnameinfo(("127.0.0.1", 1)),
    "program": lambda loop: asyncio.create_subprocess_exec("true"),
    "shell": lambda loop: asyncio.create_subprocess_shell("true"),
}


@app.workflow
async def doing_io(ctx, kind):
    await IO[kind](asyncio.get_running_loop())


@app.workflow
async def looking_at_the_clock(ctx, is_recorded):
    began = ctx.record("began", time.perf_counter_ns) if is_recorded else time.perf_counter_ns()
    await ctx.call(remind, began)
    await ctx.wait_event("next")
    return "the same"


class Workflows(unittest.TestCase):
    def run_of(self, t, workflow, input=None):
        return t.start(workflow=workflow, input=input)

    def test_a_year_passes_in_no_time(self):
        began = time.monotonic()
        with app.test() as t:
            run = self.run_of(t, subscription, t.now.isoformat())
            self.assertEqual(run.result(), {"paid": 120, "days": 360})
            self.assertEqual(len(t.calls(charge)), 12)
        self.assertLess(time.monotonic() - began, 10)

    def test_signals_and_timeouts(self):
        emails.clear()
        with app.test() as t:
            run = self.run_of(t, approval)
            t.advance(2 * 3600 + 1)
            self.assertEqual(emails, ["reminder 1", "reminder 2"])
            t.emit("approved", {"by": "ada"}, run=run.id)
            self.assertEqual(run.result(), {"by": "ada"})
            self.assertEqual(self.run_of(t, "approval").result(), "gave up")

    def test_what_calling_the_code_raises_fails_the_run(self):
        with app.test() as t:
            with self.assertRaisesRegex(sg.RunFailed, "TypeError: .*missing 1 required positional argument"):
                self.run_of(t, wrapped, 1).result()

    def test_a_map_with_no_calls_at_once_is_refused(self):
        with app.test() as t:
            self.assertEqual(self.run_of(t, mapping, 3).result(), [1])
            for wrong in (0, "x"):
                with self.assertRaisesRegex(sg.RunFailed, "concurrency is a whole number of calls, 1 or more"):
                    self.run_of(t, mapping, wrong).result()

    def test_durations_may_be_text(self):
        with app.test() as t:
            began = t.now
            self.assertEqual(self.run_of(t, waits, ["500ms", "1.5 s", 58, "2d"]).result(), "no event 'never' within 2d")
            self.assertEqual(t.now - began, 2 * datetime.timedelta(days=2, minutes=1))
            self.assertEqual(self.run_of(t, waits, [1]).result(), "no event 'never' within 1 s")

    def test_what_is_no_duration_is_refused(self):
        wrong = {"soon": "duration='soon' is not a duration; write for example 500ms", "-1s": "is not a duration"}
        with app.test() as t:
            for span, told in wrong.items():
                with self.assertRaisesRegex(sg.RunFailed, f"ValueError: .*{told}"):
                    self.run_of(t, waits, [span]).result()
            for span, kind in ((None, "NoneType"), ([5], "list"), (True, "bool")):
                with self.assertRaisesRegex(sg.RunFailed, f"TypeError: duration is a number .*, not {kind}"):
                    self.run_of(t, waits, [span]).result()

    def test_a_saga_undoes_what_was_done(self):
        with app.test() as t:
            self.assertEqual(self.run_of(t, saga, [1, 2]).result(), {"charged": [1, 2]})
            t.fail_when(charge, lambda order: order.value["amount"] == 3, ValueError("no money"))
            run = self.run_of(t, saga, [1, 2, 3])
            self.assertEqual(run.result(), {"undone": [1, 2], "because": "no money"})
            self.assertEqual(len(t.calls(refund)), 2)

    def test_a_failure_is_tried_again_first(self):
        with app.test() as t:
            t.fail(charge, times=2)
            self.assertEqual(self.run_of(t, saga, [7]).result(), {"charged": [7]})
            self.assertEqual([attempt for _, attempt in t.calls(charge)], [1, 2, 3])

    def test_asyncio_is_durable(self):
        with app.test() as t:
            self.assertEqual(self.run_of(t, tasks).result(), ["", "1", "2"])

    def test_what_asyncio_has_for_io_raises(self):
        with app.test() as t:
            for kind in IO:
                with self.subTest(kind), self.assertRaisesRegex(sg.RunFailed, "RuntimeError: a workflow only decides"):
                    self.run_of(t, doing_io, kind).result()

    def test_what_differs_is_found_when_the_code_runs_again(self):
        for is_recorded in (True, False):
            with app.test() as t:
                run = self.run_of(t, looking_at_the_clock, is_recorded)
                t.restart_workers()
                if is_recorded:
                    t.emit("next", run=run.id)
                    self.assertEqual(run.result(), "the same")
                else:
                    with self.assertRaisesRegex(RuntimeError, "expected `call remind`, the code wants .* another value"):
                        t.emit("next", run=run.id)

    def test_workers_that_forget_change_nothing(self):
        def run(forgets):
            with app.test(seed=5) as t:
                run = self.run_of(t, counting, 10)
                for n in range(10):
                    if forgets(n):
                        t.restart_workers()
                    t.advance(7 * n)
                    t.emit("next", n, run=run.id)
                return run.result(), len(t.calls(charge))

        kept = run(lambda n: False)
        self.assertEqual((kept[0]["paid"], kept[1]), (45, 10))
        self.assertEqual(run(lambda n: True), kept)
        self.assertEqual(run(lambda n: n % 4 == 1), kept)

    def test_code_that_does_not_begin_at_its_checkpoint_is_caught(self):
        with app.test() as t:
            self.run_of(t, beginning_elsewhere)
            told = "'beginning_elsewhere' does something else when it runs again: command 3: expected `call charge`, "
            with self.assertRaisesRegex(RuntimeError, told + "the code wants `sleep 1000`"):
                t.advance(2)

    def test_a_workflow_that_is_not_there(self):
        with app.test() as t, self.assertRaisesRegex(ValueError, "no workflow 'nothing'; it has subscription"):
            t.start(workflow="nothing")


if __name__ == "__main__":
    unittest.main()
