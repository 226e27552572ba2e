"""Functions that are workflows: what they amount to, and how they run on the stage."""

from __future__ import annotations

import unittest

import sdk_path  # noqa: F401
import sluicegate as sg

YEAR = 31_536_000

app = sg.App("mixing")
numbers, squared, summed = app.bucket("numbers"), app.bucket("squared"), app.bucket("summed")


@app.function()
def square(x: int):
    return x * x


year = {"Type": "Wait", "Seconds": YEAR, "End": True}
machine = app.state_machine(
    "machine",
    {"StartAt": "Task", "States": {"Task": {"Type": "Task", "Resource": "square", "Next": "Wait"}, "Wait": year}},
)

with app.dag("graph") as graph:

    @graph.task
    def parts(x):
        return [x.value] * 3

    @graph.task
    def add(xs):
        return sum(x.value for x in xs)

    @graph.task
    def same(x):
        return x.value

    same.expand(parts) >> add


@app.workflow
async def code(ctx, sums):
    await ctx.sleep(YEAR)
    return {"sums": sums, "nine": await ctx.call("squares", 3)}


squares = app.workflow_function("squares", machine, on=numbers.each(), into=squared)
sums = app.workflow_function("sums", graph, on=squared.each(), into=summed, retries=1)
app.workflow_function("end", "code", on=summed.join(of="sums"))


def length(x):
    return len(x.value)


def run_of(t, x):
    return next(run for run in t.runs() if run.id == x.run)


class Mixing(unittest.TestCase):
    def test_it_amounts_to_functions(self) -> None:
        definition = app.definition()
        described = definition["functions"]["sums"]
        wanted = {"runtime": "workflow", "workflow": "graph", "on": {"each": "squared"}, "into": ["summed"], "retries": 1}
        self.assertEqual(described, wanted)
        self.assertEqual(definition["workflows"]["machine"]["asl"]["StartAt"], "Task")

    def test_a_state_machine_a_dag_and_code_take_years_in_no_time(self) -> None:
        with app.test() as t:
            run = t.start(objects={"numbers": {str(x): x for x in (1, 2, 3)}})
            self.assertEqual(run.result(within=4 * YEAR), {"sums": [3, 12, 27], "nine": 9})

    def test_workflows_that_are_called_are_counted(self) -> None:
        with app.test() as t:
            t.start(objects={"numbers": {str(x): x for x in (1, 2)}}).result(within=4 * YEAR)
            self.assertEqual(t.calls(squares), [("1", 1), ("2", 1), ("squares-1", 1)])
            self.assertEqual(t.calls(sums), [("1", 1), ("2", 1)])
            self.assertEqual(t.calls("end"), [(["1", "2"], 1)])
            self.assertEqual(len(t.calls(square)), 3)
            self.assertEqual(len(t.runs()), 7)

    def test_a_function_stands_in_for_a_workflow(self) -> None:
        with app.test() as t:
            begin = t.now
            t.stub(squares, lambda x: x.value * 10)
            t.stub(sums, lambda x, ctx: ctx.put(summed, x.key, "." * 100_000 + str(x.value)))
            t.stub("end", lambda parts: [part.value[-2:] for part in parts])
            run = t.start(objects={"numbers": {"a": 1, "b": 2}})
            self.assertEqual(run.result(), ["10", "20"])
            self.assertEqual((t.now, t.calls(square), len(t.runs())), (begin, [], 1))
            self.assertNotIn("RunCalled", [line["type"] for line in run.history()])

    def test_a_workflow_of_code_gets_what_stands_in(self) -> None:
        with app.test() as t:
            t.stub(squares, lambda x: {"large": "x" * 100_000} if x.key == "squares-1" else 1)
            run = t.start(objects={"numbers": {"a": 1}})
            self.assertEqual(run.result(within=2 * YEAR)["nine"], {"large": "x" * 100_000})

    def test_a_workflow_that_is_called_fails_when_it_is_told_to(self) -> None:
        with app.test() as t:
            t.stub(squares, lambda x: x.value)
            t.stub("end", lambda parts: [part.value for part in parts])
            t.fail(sums, error=ConnectionError("away"))
            run = t.start(objects={"numbers": {"a": 1}})
            self.assertEqual(run.result(), [3])
            self.assertEqual(t.calls(sums), [("a", 1), ("a", 2)])
            failed = [line["error"]["type"] for line in run.history() if line["type"] == "AttemptFailed"]
            self.assertEqual(failed, ["ConnectionError"])
        with app.test() as t:
            t.fail_when(squares, lambda x: x.value == 2, LookupError("two"))
            with self.assertRaises(sg.RunFailed) as raised:
                t.start(objects={"numbers": {"a": 1, "b": 2}}).result(within=4 * YEAR)
            self.assertIsInstance(raised.exception.__cause__, LookupError)

    def test_what_nobody_waits_for_any_more_is_not_called(self) -> None:
        with app.test() as t:
            t.stub(squares, lambda x: run_of(t, x).cancel())
            run = t.start(objects={"numbers": {"a": 1, "b": 2}})
            self.assertEqual((run.status, t.calls(squares)), ("cancelled", [("a", 1)]))

    def test_an_express_run_gets_what_stands_in(self) -> None:
        express = sg.App("express", durability="express")
        kept = express.bucket("kept")
        declared = express.state_machine("declared", {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
        called = express.workflow_function("called", declared, on=express.input.each(), into=kept)
        express.function(on=kept.each(), name="last")(length)
        for stub, wanted in ((None, 3), (lambda x: "x" * 100_000, 100_000)):
            with express.test() as t:
                if stub:
                    t.stub(called, stub)
                t.fail(length)
                self.assertEqual(t.start(input="abc").result(), wanted)
                self.assertEqual(t.calls(called), [("input", 1)])

    def test_a_workflow_that_is_no_function_is_told(self) -> None:
        with app.test() as t:
            for workflow in (machine, graph, code):
                with self.assertRaisesRegex(ValueError, "is a workflow and no function; declare app.workflow_function"):
                    t.stub(workflow, lambda x: x)

    def test_mistakes_are_refused_where_they_are_made(self) -> None:
        other = sg.App("other")
        with self.assertRaisesRegex(ValueError, "no workflow of"):
            other.workflow_function("f", machine)
        with self.assertRaisesRegex(ValueError, "two workflows are named 'machine'"):
            app.state_machine("machine", "a.asl.json")
        with self.assertRaisesRegex(TypeError, "path of a file or a dict"):
            app.state_machine("third", 3)  # type: ignore[arg-type]


if __name__ == "__main__":
    unittest.main()
