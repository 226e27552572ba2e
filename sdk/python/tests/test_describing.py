"""``python3 -m sluicegate._describe``: the definition on stdout, or one error as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURE = os.path.join(HERE, "fixtures", "wordcount")


def describe(*arguments: str, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "sluicegate._describe", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd)


class Describing(unittest.TestCase):
    def error(self, text: str, *arguments: str) -> dict[str, object]:
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "app.py")
            with open(file, "w", encoding="utf-8") as out:
                out.write(text)
            done = describe(file, *arguments)
        self.assertEqual((done.returncode, done.stdout), (3, ""), done.stderr)
        return json.loads(done.stderr.strip().rsplit("\n", 1)[-1])["error"]

    def test_the_fixture_is_described_as_the_engine_reads_it(self) -> None:
        done = describe(os.path.join(FIXTURE, "app.py"))
        with open(os.path.join(FIXTURE, "definition.json"), encoding="utf-8") as expected:
            self.assertEqual(json.loads(done.stdout), json.load(expected))
        self.assertEqual(done.returncode, 0)

    def test_a_relative_path_gives_the_same(self) -> None:
        absolute = describe(os.path.join(FIXTURE, "app.py")).stdout
        self.assertEqual(describe("app.py", cwd=FIXTURE).stdout, absolute)

    def test_what_the_file_prints_does_not_disturb(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "app.py")
            with open(file, "w", encoding="utf-8") as out:
                out.write('import os, sluicegate as sg\nprint("hello")\nos.system("echo there")\napp = sg.App("a")\n')
            done = describe(file)
        self.assertEqual(json.loads(done.stdout)["app"], "a")
        self.assertIn("hello", done.stderr)
        self.assertIn("there", done.stderr)

    def test_functions_of_other_files_of_the_folder_are_found(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {
                "steps.py": "def one(x):\n    return x\n",
                "app.py": 'import sluicegate as sg, steps\napp = sg.App("a")\napp.function(on=app.input)(steps.one)\n',
            }.items():
                with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
                    out.write(text)
            described = json.loads(describe(os.path.join(folder, "app.py")).stdout)
        self.assertEqual(described["functions"]["one"]["handler"], "steps.py:one")
        self.assertEqual(described["source"], {"app": "app.py:2", "functions.one": "steps.py:1"})

    def test_a_syntax_error_has_its_line(self) -> None:
        error = self.error("x = 1\nif x\n    pass\n")
        self.assertEqual(
            (error["type"], error["file"], error["line"], error["text"]), ("SyntaxError", "app.py", 2, "if x")
        )

    def test_an_import_error_has_the_innermost_line_of_the_app(self) -> None:
        error = self.error("def load():\n    import no_such_module\n\nload()\n")
        self.assertEqual((error["type"], error["line"]), ("ModuleNotFoundError", 2))
        self.assertEqual(str(error["text"]).strip(), "import no_such_module")
        self.assertNotIn("_describe.py", str(error["stack"]))

    def test_a_mistake_in_the_declaration_points_at_it(self) -> None:
        error = self.error('import sluicegate as sg\napp = sg.App("a")\nb = app.bucket("b")\nb.batch(0)\n')
        self.assertEqual((error["type"], error["line"], error["file"]), ("ValueError", 4, "app.py"))

    def test_no_app_and_several_apps_are_told(self) -> None:
        self.assertIn("no app", str(self.error("x = 1\n")["message"]))
        two = 'import sluicegate as sg\na = sg.App("a")\nb = sg.App("b")\n'
        self.assertIn("several apps (a, b)", str(self.error(two)["message"]))
        self.assertIn("no app 'c', but a, b", str(self.error(two, "c")["message"]))

    def test_a_named_app_is_chosen_among_several(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "two.py")
            with open(file, "w", encoding="utf-8") as out:
                out.write('import sluicegate as sg\na = again = sg.App("a")\nb = sg.App("b")\n')
            self.assertEqual(json.loads(describe(file, "b").stdout)["app"], "b")

    def test_an_exit_while_importing_is_an_error(self) -> None:
        error = self.error("import sys\nsys.exit(0)\n")
        self.assertEqual((error["type"], error["line"]), ("SystemExit", 2))

    def test_a_function_that_was_replaced_is_told(self) -> None:
        head = 'import sluicegate as sg\napp = sg.App("a")\n'
        twice = "@app.function(name={name!r})\ndef f(x):\n    return x\n"
        error = self.error(head + twice.format(name="one") + twice.format(name="two"))
        self.assertIn("replaced it", str(error["message"]))

    def test_names_that_cross_are_told(self) -> None:
        head = 'import sluicegate as sg\napp = sg.App("a")\n'
        swapped = "@app.function(name='g')\ndef f(x):\n    return x\n@app.function(name='f')\ndef g(x):\n    return x\n"
        self.assertIn("names another function", str(self.error(head + swapped)["message"]))

    def test_a_missing_file_is_an_error(self) -> None:
        done = describe("/no/such/app.py")
        self.assertEqual(done.returncode, 3)
        self.assertEqual(json.loads(done.stderr.strip())["error"]["type"], "FileNotFoundError")
