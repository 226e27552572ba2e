"""Declaring apps: what is accepted, what it amounts to, and what is refused with which words."""

from __future__ import annotations

import json
import os
import unittest

import sdk_path  # noqa: F401  (makes the package importable)

import sluicegate as sg

FIXTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures", "wordcount")


def work(value):
    return value


def more(value):
    return value


async def alone(ctx):
    return 1


async def three(ctx, input, more):
    return 1


async def worded(ctx, input, *, more):
    return 1


class Conditions(unittest.TestCase):
    def setUp(self) -> None:
        self.app = sg.App("a")
        self.b = self.app.bucket("b")
        self.app.function(on=self.b.each(), into=self.b)(work)

    def described(self, on: object) -> object:
        self.app.function(on=on)(more)
        try:
            return self.app.definition()["functions"]["more"]["on"]
        finally:
            del self.app.functions["more"]

    def test_every_condition_is_described_as_the_manifest_writes_it(self) -> None:
        b = self.b
        cases = [
            (b, {"each": "b"}),
            (b.each(), {"each": "b"}),
            (b.name("x/*.txt"), {"name": "b", "glob": "x/*.txt"}),
            (b.set(["p", "q"]), {"set": "b", "keys": ["p", "q"]}),
            (b.batch(10), {"batch": "b", "n": 10}),
            (b.batch(10, within="5s"), {"batch": "b", "n": 10, "within": "5s"}),
            (b.window(1, slide=0.5, by="object.key"), {"window": "b", "seconds": 1, "slide": 0.5, "by": "object.key"}),
            (b.first(2, of=3), {"first": "b", "k": 2, "of": 3}),
            (b.join(of=work), {"join": "b", "of": "work"}),
            (b.join(of="work"), {"join": "b", "of": "work"}),
            (b.group(of=work, by="object.group"), {"group": "b", "of": "work", "by": "object.group"}),
            (b.when("object.size > 1"), {"each": "b", "when": "object.size > 1"}),
            (b.when("x").when("y").batch(2), {"batch": "b", "n": 2, "when": "(x) && (y)"}),
            (b.when("x").join(of=work), {"join": "b", "of": "work", "when": "x"}),
            (sg.event(type="t.*", when="event.data.n > 1"), {"event": {"type": "t.*", "when": "event.data.n > 1"}}),
            (sg.event(), {"event": {}}),
            (sg.event(type="t").batch(3, within="5s"), {"batch": {"event": {"type": "t"}}, "n": 3, "within": "5s"}),
            (
                sg.event(subject="s").window(10, slide=5, by="event.type"),
                {"window": {"event": {"subject": "s"}}, "seconds": 10, "slide": 5, "by": "event.type"},
            ),
            (sg.event().first(1, of=2), {"first": {"event": {}}, "k": 1, "of": 2}),
            (sg.cron("*/5 * * * *", tz="Europe/Berlin"), {"cron": "*/5 * * * *", "tz": "Europe/Berlin"}),
            (sg.all(b, b.join(of=work)), {"all": [{"each": "b"}, {"join": "b", "of": "work"}]}),
            ([b, sg.event(type="t")], {"any": [{"each": "b"}, {"event": {"type": "t"}}]}),
            (sg.any(b, sg.all(b, b)), {"any": [{"each": "b"}, {"all": [{"each": "b"}, {"each": "b"}]}]}),
        ]
        for on, expected in cases:
            with self.subTest(expected):
                self.assertEqual(self.described(on), expected)

    def test_mistakes_are_refused_with_the_fix(self) -> None:
        b = self.b
        cases = [
            (lambda: b.set("ab"), TypeError, r"set\(\['ab'\]\)"),
            (lambda: b.set([]), ValueError, "name the keys"),
            (lambda: b.set(["a", "a"]), ValueError, "twice"),
            (lambda: b.batch(0), ValueError, "1 or more"),
            (lambda: b.batch("3"), TypeError, "number of objects"),
            (lambda: b.batch(3, within=0), ValueError, "more than 0"),
            (lambda: b.batch(3, within="soon"), ValueError, "500ms, 30s"),
            (lambda: b.first(4, of=3), ValueError, "never arrive"),
            (lambda: b.window(1, by=lambda o: o.key), TypeError, "CEL expression in a str"),
            (lambda: b.join(of=3), TypeError, "the function to wait for"),
            (lambda: b.when(""), ValueError, "empty"),
            (lambda: sg.cron("* * *"), ValueError, "3 fields"),
            (lambda: sg.all(), ValueError, "never fires"),
            (lambda: sg.any("b"), TypeError, "not a condition"),
            (lambda: self.described(b.join(of=more)), ValueError, "declare it above"),
            (lambda: self.described(sg.App("other").bucket("x")), ValueError, "belongs to"),
        ]
        for make, error, words in cases:
            with self.subTest(words), self.assertRaisesRegex(error, words):
                make()


class Apps(unittest.TestCase):
    def test_settings_arrive_and_defaults_stay_away(self) -> None:
        app = sg.App("a", durability="express", network="none")
        b = app.bucket("b", keep=True)
        settings = dict(
            retries={"max": 1, "initial": 0.1}, timeout="30s", rerun_after=5, memory="256MiB", cpu=0.5, network="host",
            env={"A": "b"}, visibility="commit", concurrency=4, warm=1, scope="app", optional=True,
        )  # fmt: skip
        self.assertIs(app.function(on=b, into=[b, app.output], name="f", **settings)(work), work)
        app.function()(more)
        described = app.definition()
        self.assertEqual((described["durability"], described["network"]), ("express", "none"))
        self.assertEqual(described["buckets"], {"b": {"keep": True}})
        f = described["functions"]["f"]
        handler = os.path.basename(__file__) + ":work"
        self.assertEqual(
            f, {"runtime": "python", "handler": handler, "on": {"each": "b"}, "into": ["b", "output"], **settings}
        )
        self.assertEqual(set(described["functions"]["more"]), {"runtime", "handler"})

    def test_other_runtimes_and_triggers(self) -> None:
        app = sg.App("a")
        tr = app.exec_function("tr", ["tr", "a", "b"], on=app.input, timeout=3)
        app.process_function("serve", "./serve -v", on=app.input)
        app.wasm_function("w", "m/f.wasm", on=app.output.join(of=tr), fresh=True)
        app.trigger(app.output, invoke=[tr, "w"], emit={"type": "t"}, name="both", scope="app")
        described = app.definition()
        functions = described["functions"]
        self.assertEqual(
            functions["tr"], {"runtime": "exec", "on": {"each": "input"}, "command": ["tr", "a", "b"], "timeout": 3}
        )
        self.assertEqual(functions["serve"]["command"], "./serve -v")
        self.assertEqual((functions["w"]["module"], functions["w"]["fresh"]), ("m/f.wasm", True))
        self.assertEqual(functions["w"]["on"], {"join": "output", "of": "tr"})
        trigger = {
            "on": {"each": "output"},
            "name": "both",
            "emit": {"type": "t"},
            "scope": "app",
            "invoke": ["tr", "w"],
        }
        self.assertEqual(described["triggers"], [trigger])

    def test_mistakes_are_refused_with_the_fix(self) -> None:
        app = sg.App("a")
        b = app.bucket("b")
        app.function(on=b)(work)

        def local(value):
            return value

        async def waiting(value):
            yield value

        cases = [
            (lambda: app.workflow(alone), TypeError, r"async def alone\(ctx, input\)"),
            (lambda: app.workflow(three), TypeError, r"async def three\(ctx, input\)"),
            (lambda: app.workflow(worded), TypeError, r"async def worded\(ctx, input\)"),
            (lambda: sg.App("1a"), ValueError, "start with a letter"),
            (lambda: sg.App("a", durability="fast"), ValueError, '"durable" or "express"'),
            (lambda: app.bucket("b"), ValueError, "declared twice"),
            (lambda: app.bucket("output"), ValueError, "use app.output"),
            (lambda: app.function(work), TypeError, "with parentheses"),
            (lambda: app.function(on="b")(more), TypeError, "not a condition"),
            (lambda: app.function(into="b")(more), TypeError, "app.bucket"),
            (lambda: app.function(into=app.input)(more), ValueError, "what a run starts with"),
            (lambda: app.function(into=[b, b])(more), ValueError, "twice"),
            (lambda: app.function()(work), ValueError, "two functions are named"),
            (lambda: app.function()(local), ValueError, "top level"),
            (lambda: app.function(name="l")(lambda v: v), ValueError, "top level"),
            (lambda: app.function()(waiting), TypeError, "async generator"),
            (lambda: app.function()(Apps), TypeError, "decorates a function"),
            (lambda: app.function(timeout=-1)(more), ValueError, "more than 0"),
            (lambda: app.function(timeout=True)(more), TypeError, "number of seconds"),
            (lambda: app.function(retries=-1)(more), ValueError, "between 0 and 999"),
            (lambda: app.function(retries={"maximum": 1})(more), ValueError, "known are"),
            (lambda: app.function(memory="lots")(more), ValueError, "256MiB"),
            (lambda: app.function(cpu=0)(more), ValueError, "cores"),
            (lambda: app.function(network="maybe")(more), ValueError, "'host' or 'none'"),
            (lambda: app.function(env={"A": 1})(more), TypeError, "str to str"),
            (lambda: app.function(warm=-1)(more), ValueError, "0 or more"),
            (lambda: app.exec_function("e", []), TypeError, "program and its arguments"),
            (lambda: app.exec_function("e", ["x"], colour="red"), TypeError, "known are"),
            (lambda: app.wasm_function("w", "f.py"), ValueError, ".wasm"),
            (lambda: app.trigger(b), ValueError, "does something"),
            (lambda: app.trigger(b, emit={"subject": "s"}), ValueError, "type"),
            (lambda: app.trigger(b, invoke=more), ValueError, "declare it above"),
        ]
        for make, error, words in cases:
            with self.subTest(words), self.assertRaisesRegex(error, words):
                make()
        self.assertEqual(list(app.functions), ["work"])

    def test_a_function_outside_the_folder_is_refused(self) -> None:
        app = sg.App("a")
        app.function()(json.dumps)
        with self.assertRaisesRegex(ValueError, "outside the app's folder"):
            app.definition()

    def test_objects_of_the_worker_are_loaded_only_when_used(self) -> None:
        with self.assertRaisesRegex(AttributeError, "no attribute 'Nothing'"):
            sg.Nothing
        self.assertIn("Object", dir(sg))
