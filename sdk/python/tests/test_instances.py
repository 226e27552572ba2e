"""Instances of workflows as a worker has them: what they want when they are told a journal again."""

from __future__ import annotations

import unittest
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import sdk_path  # noqa: F401
from sluicegate._instance import Diverged, Instance
from sluicegate._turns import Names

START = ("1 start", None)


def told(code: Any, lines: list[tuple[str, Any]]) -> tuple[Instance, list[str]]:
    """An instance that was told a journal, and the keys of what it wants."""
    instance = Instance(code, "new", Names([]), 7)
    instance.begin(lines)
    return instance, [key.partition(" ")[2] for key, *_ in instance.commands]


def journal(code: Any, news: list[str]) -> list[tuple[str, Any]]:
    """What the journal holds when the code was told this, each in a turn of its own."""
    instance = Instance(code, "old", Names([]), 7)
    lines: list[tuple[str, Any]] = []
    for at_ms, entry in enumerate(["start", *news], 1):
        lines.append((f"{at_ms} {entry}", None))
        instance.go_on(lines[-1:])
        lines += [("= " + key, None) for key, *_ in instance.commands]
        instance.commands = []
    return lines


async def loop(ctx: Any, input: Any) -> None:
    while True:
        await ctx.sleep(1)


async def changed(ctx: Any, input: Any) -> None:
    while True:
        await ctx.sleep(2 if ctx.patched("longer") else 1)


class Instances(unittest.TestCase):
    def test_a_change_is_taken_from_where_the_journal_ends(self) -> None:
        lines = journal(loop, ["done 0", "done 1"])
        instance, wanted = told(changed, lines)
        self.assertEqual(wanted, [])
        instance.go_on([("9 done 2", None)])
        self.assertEqual([key.partition(" ")[2] for key, *_ in instance.commands], ["patch longer", "sleep 2000"])
        # Told again it goes the same ways.
        lines += [("9 done 2", None), *(("= " + key, None) for key, *_ in instance.commands)]
        instance, wanted = told(changed, [*lines, ("10 done 4", None)])
        self.assertEqual(wanted, ["sleep 2000"])
        with self.assertRaises(Diverged):
            told(loop, lines)

    def test_numbers_want_what_they_always_have(self) -> None:
        spans = [0, 2, 0.0005, 1.5, timedelta(milliseconds=20), Fraction(1, 4), Decimal("0.3")]

        async def code(ctx: Any, input: Any) -> None:
            for span in spans:
                await ctx.sleep(span)

        lines = journal(code, [f"done {number}" for number in range(len(spans) - 1)])
        wanted = [int(key.split()[3]) for key, _ in lines if "sleep" in key]
        self.assertEqual(wanted, [0, 2000, 0, 1500, 20, 250, 300])

    def test_a_time_below_zero_is_over(self) -> None:
        async def code(ctx: Any, input: Any) -> None:
            await ctx.sleep(-1)
            await ctx.wait_event("news", timeout=-1)

        wanted = [key.partition(" ")[2] for key, _ in journal(code, ["done 0"]) if "sleep" in key]
        self.assertEqual([key.split()[-2:] for key in wanted], [["sleep", "0"], ["sleep", "0"]])

    def test_what_is_marked_is_put_once_more(self) -> None:
        async def code(ctx: Any, input: Any) -> None:
            first, second = ctx.call("f", "x"), ctx.call("g", "y")
            await second
            await ctx.call("h", await first)

        lines = journal(code, ["done 1"])
        marked = [("+" + key[1:] if "call f" in key else key, value) for key, value in lines]
        instance, wanted = told(code, marked)
        self.assertEqual(wanted, ["call f"])
        self.assertEqual(bytes(instance.commands[0][3]), b"x")
        instance.commands = []
        instance.go_on([("9 done 0", None)])
        self.assertEqual([key.partition(" ")[2] for key, *_ in instance.commands], ["call h"])

    def test_a_journal_says_whose_run_the_code_is_in(self) -> None:
        async def code(ctx: Any, input: Any) -> None:
            await ctx.sleep(1)
            await ctx.call(ctx.run)

        lines = [("run old", None), *journal(code, []), ("run new", None), ("9 done 0", None)]
        self.assertEqual(told(code, lines)[1], ["call new"])
        later = [("run old", None), *journal(code, ["done 0"]), ("run new", None)]
        self.assertEqual(told(code, later)[1], [])


if __name__ == "__main__":
    unittest.main()
