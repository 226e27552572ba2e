"""`app.test()`, on the built program. Run: SLUICE=target/debug/sluice python3 -m unittest discover -s sdk/python/tests"""

import sdk_path  # noqa: F401  (first: the package of this checkout)

import datetime
import importlib
import logging
import os
import re
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

import sluicegate as sg

REASON = "the environment variable SLUICE does not name the built program; `cargo xtask check` sets it"
IS_CI = os.environ.get("CI") == "true"

words = sg.App("words")
texts, counts = words.bucket("texts"), words.bucket("counts")


@words.function(on=texts.each(), into=counts, retries={"max": 3, "initial": "5s", "backoff": 2, "jitter": False})
def count(text, ctx):
    ctx.log(f"{text.key}: attempt {ctx.attempt} of {ctx.idempotency_key}")
    return len(text.text().split())


@words.function(on=counts.join(of=count))
def total(counted):
    return sum(one.value for one in counted)


mixed = sg.App("mixed")
jobs, parts, found = mixed.bucket("jobs"), mixed.bucket("parts"), mixed.bucket("found")


@mixed.function(on=jobs.each(), into=parts)
def split(job, ctx):
    ctx.put(parts, f"{job.key}/first", job.value[0], meta={"of": job.key})
    yield f"{job.key}/rest", job.value[1:]


tool = mixed.exec_function("tool", ["tool", "{input}"], on=parts.each(), into=found)


@mixed.function(on=found.batch(10, within="1h"))
async def gather(batch):
    return [one.value for one in batch]


clocked = sg.App("clocked")


@clocked.function(on=sg.cron("0 0 * * *"))
def nightly(event):
    return event.time.isoformat()


@clocked.function(on=sg.event(type="order.*"), scope="app")
def order(event, ctx):
    ctx.emit("seen", {"n": event.data["n"]}, subject=event.subject)


@clocked.function(on=sg.event(type="seen"), scope="app")
def seen(event):
    return [event.subject, event.data]


class NeedsProgram(unittest.TestCase):
    def setUp(self):
        if not os.environ.get("SLUICE"):
            self.fail(REASON) if IS_CI else self.skipTest(REASON)


class Runs(NeedsProgram):
    def test_a_run_ends_with_its_result(self):
        with words.test() as t:
            run = t.start({texts: {"a": "one two", "b": "three"}})
            self.assertEqual((run.status, run.outputs, run.error), ("succeeded", {"total": 3}, None))
            self.assertEqual(run.result(), 3)
            self.assertEqual(t.calls(count), [("a", 1), ("b", 1)])
            self.assertEqual(t.calls("total"), [(["a", "b"], 1)])
            self.assertEqual([line["type"] for line in run.history()][-1], "RunEnded")

    def test_an_open_run_takes_objects_until_it_is_sealed(self):
        with words.test() as t:
            run = t.start(seal=False)
            with self.assertRaisesRegex(TimeoutError, r"seal\(\)"):
                run.result()
            run.put(texts, "a", "one")
            self.assertEqual((t.calls(count), run.status), ([("a", 1)], "running"))
            run.seal()
            self.assertEqual(run.result(), 1)
            with self.assertRaises(sg.ApiError) as refused:
                run.put(texts, "b", "two")
            self.assertIn(refused.exception.code, ("SLU0009", "SLU0015"))

    def test_a_cancelled_run_calls_nothing_further(self):
        with words.test() as t:
            t.fail(count)
            run = t.start({texts: {"a": "one"}})
            run.cancel()
            t.advance(3600)
            self.assertEqual((run.status, run.error["code"]), ("cancelled", "SLU0113"))
            self.assertEqual(t.calls(count), [("a", 1)])
            with self.assertRaises(sg.RunFailed):
                run.result()

    def test_values_travel_whole(self):
        with words.test() as t:
            large = "word " * 50_000
            self.assertEqual(t.start({texts: {"a": large}}).result(), 50_000)

    def test_nothing_is_left_behind(self):
        with tempfile.TemporaryDirectory() as folder, unittest.mock.patch.dict(os.environ, TMPDIR=folder):
            with words.test() as t:
                t.start(seal=False)
                self.assertEqual(len(os.listdir(folder)), 1)
            self.assertEqual(os.listdir(folder), [])

    def test_what_ctx_logs_is_logged(self):
        with words.test() as t, self.assertLogs("sluicegate", logging.INFO) as logged:
            t.start({texts: {"a": "one"}}, id="r1")
        self.assertEqual(logged.output, ["INFO:sluicegate:a: attempt 1 of r1/0"])


class Failures(NeedsProgram):
    def test_backoff_takes_virtual_time(self):
        with words.test() as t:
            begin = t.now
            t.fail(count, times=3)
            run = t.start({texts: {"a": "one"}})
            self.assertEqual(run.status, "running")
            self.assertEqual(run.result(), 1)
            self.assertEqual(t.calls(count), [("a", n) for n in (1, 2, 3, 4)])
            self.assertEqual(t.now - begin, datetime.timedelta(seconds=5 + 10 + 20))

    def test_the_exception_of_a_function_is_the_cause(self):
        with words.test() as t:
            t.fail_when(count, lambda text: text.key == "b", ZeroDivisionError("injected"))
            run = t.start({texts: {"a": "one", "b": "two"}})
            with self.assertRaises(sg.RunFailed) as failed:
                run.result()
            self.assertIsInstance(failed.exception.__cause__, ZeroDivisionError)
            self.assertEqual(t.calls(count).count(("b", 4)), 1)
            self.assertEqual(t.calls(count).count(("a", 1)), 1)
            self.assertTrue(run.error["code"].startswith("SLU") and run.error["message"] and run.error["fix"])

    def test_an_interrupt_reaches_the_test(self):
        with words.test() as t:
            t.fail(count, error=KeyboardInterrupt)
            with self.assertRaises(KeyboardInterrupt):
                t.start({texts: {"a": "one"}})

    def test_an_undeclared_put_is_not_tried_again(self):
        with words.test() as t:
            t.stub(count, lambda text, ctx: ctx.put(texts, "more", "x"))
            run = t.start({texts: {"a": "one"}})
            self.assertEqual((run.status, t.calls(count)), ("failed", [("a", 1)]))
            failed = [line["kind"] for line in run.history() if line["type"] == "AttemptFailed"]
            self.assertEqual(failed, ["UndeclaredPut"])

    def test_a_broken_app_is_refused(self):
        app = sg.App("broken")
        app.exec_function("tool", ["tool"], on=sg.cron("99 0 * * *"))
        with self.assertRaises(sg.ApiError) as refused, app.test():
            pass
        self.assertTrue(refused.exception.code.startswith("SLU"), refused.exception)

    def test_without_a_program_the_fix_is_named(self):
        with self.assertRaisesRegex(FileNotFoundError, "app.test\\(binary="):
            words.test(binary="/nowhere/sluice").__enter__()


class Mixed(NeedsProgram):
    def test_stubs_stand_in_for_programs(self):
        with mixed.test() as t:
            t.stub(tool, lambda part: f"{part.meta.get('of')}:{part.value}")
            begin = t.now
            run = t.start({jobs: {"j": [1, 2, 3]}}, seal=False)
            self.assertEqual(t.calls(tool), [("j/first", 1), ("j/rest", 1)])
            self.assertEqual(t.calls(gather), [])
            t.advance(3600)
            self.assertEqual(t.calls(gather), [(["j/first", "j/rest"], 1)])
            self.assertEqual(t.now - begin, datetime.timedelta(hours=1))
            run.seal()
            self.assertEqual(run.result(), ["j:1", "None:[2, 3]"])

    def test_without_a_stub_the_fix_is_named(self):
        with mixed.test() as t:
            with self.assertRaisesRegex(NotImplementedError, r"t\.stub\('tool'"):
                t.start({jobs: {"j": [1]}}, id="r")
            t.stub(tool, lambda part: part.key)
            self.assertEqual(t.runs()[0].result(), ["j/first", "j/rest"])


class Clocked(NeedsProgram):
    def test_a_year_of_nights(self):
        with clocked.test(start_time=datetime.datetime(2027, 1, 1, 12, tzinfo=datetime.timezone.utc)) as t:
            t.advance(datetime.timedelta(days=365))
            self.assertEqual(t.calls(nightly), [("sluice.cron", 1)] * 365)
            runs = t.runs()
            self.assertEqual(runs[0].result(), "2027-01-02T00:00:00+00:00")
            self.assertEqual(runs[-1].result(), "2028-01-01T00:00:00+00:00")

    def test_time_goes_forward_by_durations(self):
        with clocked.test() as t:
            began = t.now
            t.advance("1.5h")
            t.advance(0)
            self.assertEqual(t.now - began, datetime.timedelta(minutes=90))
            for wrong in (-1, float("nan"), float("inf"), "-1s", "soon"):
                with self.assertRaisesRegex(ValueError, "the time to go forward by"):
                    t.advance(wrong)
            with self.assertRaisesRegex(TypeError, "not NoneType"):
                t.advance(None)

    def test_events_start_runs_that_emit_events(self):
        with clocked.test() as t:
            t.emit("order.new", {"n": 1}, subject="o1")
            t.emit("other", {"n": 2})
            self.assertEqual((t.calls(order), t.calls(seen)), ([("order.new", 1)], [("seen", 1)]))
            self.assertEqual(t.runs()[-1].result(), ["o1", {"n": 1}])


race = sg.App("race", durability="express")
entries, arrived = race.bucket("entries"), race.bucket("arrived")


@race.function(on=entries.each(), into=arrived)
def enter(entry, ctx):
    ctx.put(arrived, entry.key, "here")
    return None if ctx.cancelled else "late"


@race.function(on=arrived.first(1, of=3))
def winner(first):
    return first[0].key


class Express(NeedsProgram):
    def test_stragglers_are_not_called(self):
        with race.test() as t:
            run = t.start({entries: {"a": 1, "b": 2, "c": 3}})
            self.assertEqual(run.result(), "a")
            self.assertEqual(t.calls(winner), [(["a"], 1)])


class Guide(NeedsProgram):
    def test_the_examples_of_the_guide(self):
        guide = Path(__file__).parents[3] / "docs/guides/testing.md"
        blocks = re.findall(r"```python\n# (\w+)\.py\n(.*?)```", guide.read_text(), re.DOTALL)
        with tempfile.TemporaryDirectory() as folder, unittest.mock.patch.object(sys, "path", [folder, *sys.path]):
            for name, code in blocks:
                Path(folder, f"{name}.py").write_text(code)
            for tests in [importlib.import_module(name) for name, _ in blocks if name.startswith("test_")]:
                named = [test for name, test in vars(tests).items() if name.startswith("test_")]
                self.assertGreaterEqual(len(named), 3)
                for test in named:
                    test()


class Seeds(NeedsProgram):
    def order(self, seed):
        with words.test(seed=seed) as t:
            t.fail(count, times=5)
            run = t.start({texts: {str(n): "x" for n in range(8)}})
            self.assertEqual(run.result(), 8)
            return t.calls(count), t.now

    def test_a_seed_repeats_itself(self):
        self.assertEqual(self.order(7), self.order(7))

    def test_other_seeds_call_in_other_orders(self):
        first = [keys for keys, attempt in self.order(0)[0] if attempt == 1]
        self.assertEqual(first, sorted(first))
        self.assertNotEqual(self.order(1)[0], self.order(0)[0])


if __name__ == "__main__":
    unittest.main()
