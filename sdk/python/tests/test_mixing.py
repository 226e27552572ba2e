"""Functions that are workflows: what they amount to, and how they run on the stage."""

from __future__ import annotations

import unittest

import sdk_path  # noqa: F401
import sluicegate as sg

app = sg.App("mixing")
numbers, squared, summed = app.bucket("numbers"), app.bucket("squared"), app.bucket("summed")


@app.function()
def square(x: int):
    return x * x


year = {"Type": "Wait", "Seconds": 31_536_000, "End": True}
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
    await ctx.sleep(31_536_000)
    return {"sums": sums, "nine": await ctx.call("squares", 3)}


squares = app.workflow_function("squares", machine, on=numbers.each(), into=squared)
sums = app.workflow_function("sums", graph, on=squared.each(), into=summed, retries=1)
app.workflow_function("end", "code", on=summed.join(of="sums"))


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
            self.assertEqual(run.result(within=4 * 31_536_000), {"sums": [3, 12, 27], "nine": 9})

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
