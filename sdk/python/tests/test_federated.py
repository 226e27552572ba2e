"""Federated learning on the stage: models are numbers, so that every round can be worked out by hand."""

from __future__ import annotations

import datetime
import unittest
from typing import Any
from unittest import mock

import sdk_path  # noqa: F401
import sluicegate as sg
from sluicegate import federated
from sluicegate._turns import NO_TURN, Turns

app = sg.App("learning")
CLIENTS = [f"c{n}" for n in range(10)]


@app.function(retries=0)
def train(task):
    """Client c3 moves the model by 3."""
    client, model = task.value["client"], task.value["model"]
    return {"model": model + int(client[1:])}


@app.function()
def invite(task):
    return None


@app.function()
def average(given):
    updates = given.value["updates"]
    return sum(update["model"] for update in updates.values()) / len(updates)


@app.workflow
async def learn(ctx, input):
    settings = {"train": train, "count": 1, **input}
    accept = settings.pop("most", None)
    if accept is not None:
        settings["accept"] = lambda client, update: update["model"] <= accept
    train_ = settings.pop("train")
    reports = []
    async for round in federated.rounds(ctx, 0, CLIENTS, train_, average, **settings):
        reports.append({"model": round.model, **round.report()})
    return reports


@app.workflow
async def learn_until(ctx, wanted):
    async for round in federated.rounds(ctx, 0, CLIENTS, train, average, count=100, threshold=0.5):
        await ctx.sleep(3600)
        if round.model >= wanted:
            break
    return [round.number, await ctx.call(average, {"updates": {"": {"model": round.model}}})]


def values_of(reports, name):
    return [report[name] for report in reports]


class Rounds(unittest.TestCase):
    def learn(self, t, **input):
        return t.start(workflow=learn, input=input).result()

    def test_every_round_goes_on_from_the_model_before(self):
        with app.test() as t:
            reports = self.learn(t, count=3)
            self.assertEqual(values_of(reports, "model"), [4.5, 9.0, 13.5])
            self.assertEqual(values_of(reports, "accepted"), [CLIENTS] * 3)
            self.assertEqual(values_of(reports, "closed_by"), ["threshold"] * 3)

    def test_a_seed_chooses_the_same_clients_again(self):
        with app.test(seed=1) as t, app.test(seed=2) as other:
            chosen = values_of(self.learn(t, count=5, per_round=4, seed=7), "chosen")
            self.assertEqual(chosen, values_of(self.learn(other, count=5, per_round=4, seed=7), "chosen"))
            self.assertNotEqual(chosen, values_of(self.learn(t, count=5, per_round=4, seed=8), "chosen"))
            self.assertEqual({(len(found), len(set(found))) for found in chosen}, {(4, 4)})
            self.assertGreater(len(set(map(tuple, chosen))), 1)

    def test_the_threshold_closes_a_round_early(self):
        with app.test() as t:
            (report,) = self.learn(t, threshold=0.65)
            self.assertEqual((report["accepted"], report["missing"]), (CLIENTS[:7], CLIENTS[7:]))
            self.assertEqual(report["model"], 3)
            # 0.07 * 100 is a little more than 7 in floating point.
            self.assertEqual(plan(threshold=0.07).enough(100), 7)
            self.assertEqual([plan(threshold=0.65).enough(chosen) for chosen in (1, 20, 50)], [1, 13, 33])

    def test_clients_that_fail_are_done_without(self):
        with app.test() as t:
            t.fail_when(train, lambda task: task.value["client"] in ("c0", "c9"), OSError("battery"))
            (report,) = self.learn(t, threshold=0.8)
            self.assertEqual((report["closed_by"], report["accepted"]), ("threshold", CLIENTS[1:9]))
            self.assertEqual(report["failed"], {"c0": "train failed: OSError: battery"})

    def test_when_all_have_answered_nobody_waits(self):
        with app.test() as t:
            t.fail_when(train, lambda task: task.value["client"] < "c5")
            (report,) = self.learn(t, threshold=0.8, timeout=3600)
            self.assertEqual((report["closed_by"], report["seconds"]), ("answers", 0))
            self.assertEqual((report["accepted"], len(report["failed"]), report["model"]), (CLIENTS[5:], 5, 7))

    def test_updates_are_rejected_with_a_reason(self):
        with app.test() as t:
            t.stub(
                train, lambda task: {"c1": {"model": 99}, "c2": {}, "c3": None}.get(task.value["client"], {"model": 1})
            )
            (report,) = self.learn(t, most=10, threshold=0.7)
            why = {"c1": "not accepted", "c2": "KeyError: 'model'", "c3": "declined"}
            self.assertEqual((report["rejected"], report["closed_by"], report["model"]), (why, "threshold", 1))

    def test_a_round_without_updates_keeps_the_model(self):
        with app.test() as t:
            t.fail_when(train, lambda task: task.value["round"] == 2)
            reports = self.learn(t, count=3)
            self.assertEqual(values_of(reports, "model"), [4.5, 4.5, 9.0])
            self.assertEqual(len(t.calls(average)), 2)

    def test_the_loop_may_pause_and_end_early(self):
        with app.test() as t:
            began = t.now
            self.assertEqual(t.start(workflow=learn_until, input=5).result(), [3, 6])
            self.assertEqual((t.now - began).total_seconds(), 3 * 3600)
            self.assertEqual(len(t.calls(train)), 30)

    def test_learning_can_be_cancelled(self):
        with app.test() as t:
            run = t.start(workflow=learn, input={"train": "invite", "reports": "update"})
            run.cancel()
            self.assertEqual(run.status, "cancelled")

    def test_what_cannot_be_is_refused(self):
        timeouts = [{"timeout": timeout} for timeout in (-1, 0, "0s", "-5s", "soon", [5])]
        for wrong in ({"threshold": 0}, {"threshold": 1.1}, {"per_round": 11}, {"on_timeout": "panic"}, *timeouts):
            with app.test() as t, self.assertRaises(sg.RunFailed) as caught:
                self.learn(t, **wrong)
            self.assertRegex(caught.exception.message, next(iter(wrong)))
        for clients in ([], ["a", "a"], [1]):
            with self.assertRaisesRegex(ValueError, "^clients"):
                plan(clients=clients)
        # JSON has none of these.
        for timeout in (float("nan"), float("inf"), datetime.timedelta(seconds=-1)):
            rounds = federated.rounds(mock.Mock(), 0, CLIENTS, train, average, count=1, timeout=timeout)
            with self.assertRaisesRegex(ValueError, "^timeout must be 0 seconds or more, and finite, not"):
                rounds.asend(None).send(None)


class Reports(unittest.TestCase):
    """Clients that report by events."""

    def begin(self, t, **input):
        return t.start(workflow=learn, input={"train": "invite", "reports": "update", **input})

    def report(self, t, run, client, round=1, model: Any = None):
        update = {"model": int(client[1:]) if model is None else model}
        t.emit("update", {"client": client, "round": round, "update": update}, run=run.id)

    def test_the_threshold_is_reached(self):
        with app.test() as t:
            run = self.begin(t, per_round=4, threshold=0.5, seed=1, timeout=3600)
            self.assertEqual(len(t.calls(invite)), 4)
            chosen = plan(per_round=4, seed=1).choose(1, 1)
            t.advance(60)
            for client in chosen[:2]:
                self.assertEqual(run.status, "running")
                self.report(t, run, client)
            (report,) = run.result(within=0)
            self.assertEqual((report["accepted"], report["missing"]), (chosen[:2], chosen[2:]))
            self.assertEqual((report["closed_by"], report["seconds"]), ("threshold", 60))

    def test_a_timeout_closes_the_round(self):
        with app.test() as t:
            run = self.begin(t, timeout="1h")
            self.report(t, run, "c2")
            self.report(t, run, "c4")
            (report,) = run.result()
            self.assertEqual((report["closed_by"], report["seconds"], report["attempts"]), ("timeout", 3600, 1))
            self.assertEqual((report["accepted"], report["model"], len(report["missing"])), (["c2", "c4"], 3, 8))

    def test_a_timeout_restarts_the_round(self):
        with app.test() as t:
            run = self.begin(t, timeout=3600, on_timeout="restart", per_round=3, threshold=0.6, seed=3)
            first, second = (plan(per_round=3, seed=3).choose(1, attempt) for attempt in (1, 2))
            only_first = next(client for client in first if client not in second)
            self.report(t, run, first[0], model=1000)
            t.advance(3600)
            self.report(t, run, only_first)
            for client in second[:2]:
                self.report(t, run, client)
            (report,) = run.result(within=0)
            self.assertEqual((report["attempts"], report["chosen"], report["accepted"]), (2, second, second[:2]))
            self.assertEqual((report["late"], report["seconds"]), ([only_first], 3600))
            # What came before the restart was for nothing.
            self.assertLess(report["model"], 10)

    def test_restarts_come_to_an_end(self):
        with app.test() as t:
            run = self.begin(t, timeout=60, on_timeout="restart", restarts=2)
            with self.assertRaises(sg.RunFailed) as caught:
                run.result()
            self.assertEqual(len(t.calls(invite)), 30)
            self.assertIn("round 1 was begun 3 times, at last with 0 updates of 10", caught.exception.message)

    def test_late_and_duplicate_and_stray_reports_are_counted(self):
        with app.test() as t:
            run = self.begin(t, count=2, threshold=0.2, timeout=3600)
            self.report(t, run, "c1", model=1)
            self.report(t, run, "c1", model=100)
            self.report(t, run, "c2", model=3)  # closes round 1
            self.report(t, run, "c3", round=1, model=100)
            self.report(t, run, "c1", round=1, model=100)
            self.report(t, run, "c4", round=3, model=100)
            self.report(t, run, "x9", round=2, model=100)
            for nonsense in ("what?", {"client": "c5"}, None, {"client": ["c5"], "round": 2, "update": 1}):
                t.emit("update", nonsense, run=run.id)
            self.report(t, run, "c1", round=2, model=5)
            self.report(t, run, "c2", round=2, model=7)
            one, two = run.result(within=0)
            self.assertEqual((one["model"], one["duplicate"], one["late"]), (2, ["c1"], []))
            self.assertEqual((two["model"], two["duplicate"], two["late"]), (6, [], ["c3", "c1"]))
            self.assertEqual(two["stray"], ["c4", "x9", "?", "?", "?", "['c5']"])

    def test_reports_that_come_while_nobody_listens_wait(self):
        with app.test() as t:
            t.fail(average)  # and is tried again a little later
            run = self.begin(t, count=2, threshold=0.2, timeout=3600)
            for client, round in [("c1", 1), ("c2", 1), ("c1", 2), ("c2", 2), ("c3", 2)]:
                self.report(t, run, client, round)
            one, two = run.result(within=60)
            self.assertEqual((one["accepted"], one["stray"]), (["c1", "c2"], []))
            self.assertEqual((two["accepted"], two["late"], two["missing"][1]), (["c1", "c2"], ["c3"], "c3"))

    def test_whoever_reports_before_its_function_returns_counts_once(self):
        with app.test() as t:
            t.fail(invite, times=2)
            t.stub(invite, lambda task: {"model": 100} if task.value["client"] == "c0" else None)
            run = self.begin(t, threshold=0.3, timeout=3600)
            self.report(t, run, "c0", model=2)
            self.report(t, run, "c1", model=4)
            t.advance(60)
            self.report(t, run, "c2", model=6)
            (report,) = run.result(within=0)
            self.assertEqual((report["accepted"], report["model"]), (["c0", "c1", "c2"], 4))
            self.assertEqual(report["duplicate"], ["c0"])

    def test_one_round_may_have_clients_of_both_kinds(self):
        with app.test() as t:
            t.stub(invite, lambda task: {"model": 4} if task.value["client"] in ("c0", "c1") else None)
            run = self.begin(t, threshold=0.3, timeout=3600)
            self.report(t, run, "c0", model=100)
            self.report(t, run, "c9", model=10)
            (report,) = run.result(within=0)
            self.assertEqual(
                (report["accepted"], report["duplicate"], report["model"]), (["c0", "c1", "c9"], ["c0"], 6)
            )


class Crashes(unittest.TestCase):
    def play(self, t):
        """Rounds in which some train, some fail, some are rejected, and some report, in time or not."""
        t.fail_when(train, lambda task: task.value["client"] == "c3")
        t.stub(train, lambda task: {"model": int(task.value["client"][1])} if task.value["client"] > "c4" else None)
        run = t.start(
            workflow=learn,
            input={
                "count": 4, "per_round": 5, "threshold": 0.6, "timeout": 60, "on_timeout": "restart", "restarts": 1000,
                "most": 8, "reports": "update",
            },
            id="same",
        )  # fmt: skip
        for second in range(300):
            report = {"client": CLIENTS[second % 5], "round": 1 + second // 90, "update": {"model": second % 10}}
            t.emit("update", report, run=run.id)
            t.advance(1)
        return run.result()

    def test_a_crash_at_every_turn_changes_nothing(self):
        with app.test() as t:
            undisturbed = self.play(t)
        told_all = 0
        turn = Turns.turn

        def forget_and_turn(self, run, after, *told):
            """As a worker that has crashed since its last turn."""
            nonlocal told_all
            self._instances.pop(run, None)
            told_all += after == NO_TURN
            return turn(self, run, after, *told)

        with app.test() as t, mock.patch.object(Turns, "turn", forget_and_turn):
            self.assertEqual(self.play(t), undisturbed)
        self.assertGreater(told_all, 100)
        self.assertGreater(max(values_of(undisturbed, "attempts")), 1)
        for happened in ("late", "duplicate", "rejected", "failed", "missing", "stray"):
            self.assertTrue(any(values_of(undisturbed, happened)), happened)


def plan(**given: Any) -> federated._Plan:
    settings: dict[str, Any] = dict.fromkeys(
        ["ctx", "train", "per_round", "timeout_seconds", "accept", "reports", "seed"]
    )
    settings |= {"clients": CLIENTS, "threshold": 1.0, "on_timeout": "close", "restarts": 0, **given}
    return federated._Plan(**settings)


if __name__ == "__main__":
    unittest.main()
