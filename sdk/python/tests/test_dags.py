"""DAGs: what the notation amounts to, and how they run on the stage."""

from __future__ import annotations

import unittest

import sdk_path  # noqa: F401
import sluicegate as sg

app = sg.App("shop")
asked: list[str] = []


@app.function()
def nothing(value):
    return None


with app.dag("etl", pools={"db": 2}) as etl:

    @etl.task
    def extract(input):
        return list(range(input.value))

    @etl.task(pool="db", priority=5)
    def double(row):
        return row.value * 2

    @etl.task(retries=3, rule="all_done")
    def total(rows):
        return sum(row.value for row in rows)

    @etl.branch
    def choose(sum):
        return "large" if sum.value > 10 else ["small"]

    @etl.task
    def large(sum):
        return f"large: {sum.value}"

    @etl.task
    def small(sum):
        return f"small: {sum.value}"

    @etl.task(rule="none_failed_min_one_success")
    def report(results):
        return {result.key: result.value for result in results}

    extract >> double.expand(extract) >> total >> choose >> [large, small] >> report

with app.dag("waiting") as waiting:

    @waiting.sensor(interval="10s", timeout=60)
    def ready(file):
        asked.append(file.value)
        return len(asked) == file.value and {"file": asked[-1]}

    @waiting.sensor(interval=1, timeout=5, soft_fail=True)
    def never(file):
        return ""

    @waiting.task(rule="none_failed_min_one_success")
    def go(found):
        return [one.key for one in found]

    [ready, never] >> go

with app.dag("cleaning") as cleaning:

    @cleaning.task(retries=0)
    def load(input):
        raise ValueError("no such table")

    @cleaning.task
    def publish(loaded):
        return "published"

    @cleaning.task(rule="all_done")
    def clean(loaded):
        return loaded.value

    @cleaning.task(rule="one_failed")
    def warn(loaded):
        return "warned"

    sg.chain(load, [publish, clean], [cleaning.task("nothing", name="end"), warn])


with app.dag("daily", schedule="0 3 * * *", tz="Europe/Berlin") as daily:

    @daily.task
    def date(input):
        return input.value["logical_date"]


def states(run):
    return {line["task"]: line["type"] for line in run.history() if line.get("task") and line["type"] != "TaskStarted"}


class Notation(unittest.TestCase):
    def test_it_amounts_to_a_definition(self) -> None:
        definition = app.definition()
        tasks = definition["workflows"]["etl"]["dag"]["tasks"]
        self.assertEqual(definition["workflows"]["etl"]["dag"]["pools"], {"db": 2})
        self.assertEqual(tasks["extract"], {"call": "extract"})
        expected = {"call": "double", "after": ["extract"], "pool": "db", "priority": 5, "map": "extract"}
        self.assertEqual(tasks["double"], expected)
        self.assertEqual(sg.App("a").dag("d").task("f", with_={"n": [1]}).describe(), {"call": "f", "with": {"n": [1]}})
        self.assertEqual(tasks["choose"], {"call": "choose", "after": ["total"], "branch": True})
        self.assertEqual(tasks["report"]["after"], ["large", "small"])
        self.assertEqual(definition["functions"]["double"]["handler"], "test_dags.py:double")
        self.assertIn("workflows.etl.dag.tasks.double", definition["source"])

    def test_a_chain_of_lists_is_linked_in_pairs(self) -> None:
        tasks = app.definition()["workflows"]["cleaning"]["dag"]["tasks"]
        after = {name: task.get("after") for name, task in tasks.items()}
        expected = {"load": None, "publish": ["load"], "clean": ["load"], "end": ["publish"], "warn": ["clean"]}
        self.assertEqual(after, expected)

    def test_links_go_both_ways(self) -> None:
        with sg.App("a").dag("d") as dag:
            a, b, c = (dag.task(nothing, name=name) for name in "abc")
            c << [a, b]
            a << b
            self.assertEqual((list(a.after), list(c.after)), (["b"], ["a", "b"]))
            self.assertEqual(list(([a] << c, a)[1].after), ["b", "c"])

    def test_mistakes_are_refused_where_they_are_made(self) -> None:
        dag = sg.App("a").dag("d", pools={"p": 1})
        task = dag.task(nothing, name="a")
        other = sg.App("b").dag("e").task(nothing, name="b")
        refused = [
            (lambda: dag.task(nothing, name="a"), "two tasks are named 'a', the first in line"),
            (lambda: dag.task(nothing, rule="all_succes"), "rule is one of all_success"),
            (lambda: dag.task(nothing, memory=1), "'memory' is not a setting of a task"),
            (lambda: task >> task, "cannot wait for itself"),
            (lambda: task >> other, "is a task of Dag('d'), not of Dag('e')"),
            (lambda: task >> 3, "not with int"),
            (lambda: sg.chain([task], [task, task]), "lists of equal length"),
            (lambda: dag.branch(nothing, name="c").expand(task), "is a branch or a sensor"),
            (lambda: dag.app.dag("d"), "two workflows are named 'd'"),
            (lambda: dag.app.dag("x", pools={"p": 0}), "1 or more, not 0"),
        ]
        for make, words in refused:
            with self.subTest(words), self.assertRaises((TypeError, ValueError)) as caught:
                make()
            self.assertIn(words, str(caught.exception))

    def test_a_task_is_its_function_when_called(self) -> None:
        self.assertEqual(publish("x"), "published")


class Runs(unittest.TestCase):
    def test_results_flow_and_branches_choose(self) -> None:
        with app.test() as t:
            run = t.start(workflow=etl, input=4)
            self.assertEqual(run.result(), {"large": "large: 12"})
            self.assertEqual([argument for argument, _ in t.calls(double)], [f"extract/{n}" for n in range(4)])
            self.assertEqual(states(run)["small"], "TaskSkipped")
            self.assertEqual(t.start(workflow="etl", input=2).result(), {"small": "small: 2"})

    def test_an_empty_list_skips_what_is_called_for_each(self) -> None:
        with app.test() as t:
            run = t.start(workflow=etl, input=0)
            self.assertEqual(run.result(), {"small": "small: 0"})
            self.assertEqual(states(run)["double"], "TaskSkipped")

    def test_a_schedule_starts_runs_with_their_dates(self) -> None:
        with app.test() as t:
            t.advance(2 * 86_400)
            runs = t.runs()
            dates = ["2026-01-01T02:00:00.000Z", "2026-01-02T02:00:00.000Z"]
            self.assertEqual([run.result() for run in runs], dates)
            self.assertEqual([run.id for run in runs], [f"shop.daily.{date.replace(':', '-')}" for date in dates])

    def test_retries_are_those_of_the_task(self) -> None:
        with app.test() as t:
            t.fail(total, times=3)
            t.fail(double, times=2)
            self.assertEqual(t.start(workflow=etl, input=4).result(), {"large": "large: 12"})
            self.assertEqual([attempt for _, attempt in t.calls(total)], [1, 2, 3, 4])

    def test_sensors_wait_and_give_up(self) -> None:
        asked.clear()
        with app.test() as t:
            start = t.now
            run = t.start(workflow=waiting, input=3)
            self.assertEqual(run.result(), ["ready"])
            self.assertEqual((t.now - start).total_seconds(), 20)
            self.assertEqual(len(t.calls(never)), 5)
            self.assertEqual(states(run)["never"], "TaskSkipped")

    def test_a_sensor_that_waits_too_long_fails(self) -> None:
        asked.clear()
        with app.test() as t:
            run = t.start(workflow=waiting, input=100)
            with self.assertRaises(sg.RunFailed):
                run.result()
            self.assertIn("not done within its timeout of 60000 ms", run.error["message"])

    def test_rules_say_what_runs_after_a_failure(self) -> None:
        with app.test() as t:
            run = t.start(workflow=cleaning)
            with self.assertRaises(sg.RunFailed) as caught:
                run.result()
            self.assertIsInstance(caught.exception.__cause__, ValueError)
            self.assertIn('task "load": function "load" failed after 1 attempt: no such table', run.error["message"])
            self.assertEqual(
                states(run),
                {
                    "load": "TaskFailed", "publish": "TaskUpstreamFailed", "clean": "TaskSucceeded",
                    "end": "TaskUpstreamFailed", "warn": "TaskSkipped",
                },
            )  # fmt: skip


if __name__ == "__main__":
    unittest.main()
