"""The client against a server that answers from a list and remembers what it was asked."""

from __future__ import annotations

import base64
import datetime
import json
import os
import tempfile
import threading
import unittest
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer

import sdk_path  # noqa: F401  (makes the package importable)

import sluicegate as sg
from sluicegate import _bundle
from sluicegate._values import decode, encode

FIXTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures", "wordcount")


class Handler(BaseHTTPRequestHandler):
    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.asked.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        status, body, content_type = self.server.answers.pop(0)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_: object) -> None:
        pass


class Talking(unittest.TestCase):
    def setUp(self) -> None:
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.server.asked, self.server.answers = [], []
        thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.client = sg.Client(f"http://127.0.0.1:{self.server.server_port}/", token="secret")

    def answers(self, *answers: object, status: int = 200, content_type: str = "application/json") -> None:
        self.server.answers += [(status, answer, content_type) for answer in answers]

    def asked(self) -> list[tuple[str, str, object]]:
        """Method, path and body (JSON decoded) of each request."""
        decoded = []
        for method, path, headers, body in self.server.asked:
            self.assertEqual(headers["Authorization"], "Bearer secret")
            is_json = headers.get("Content-Type", "").endswith("json")
            decoded.append((method, path, json.loads(body) if is_json else body))
        return decoded

    def test_a_start_sends_values_by_their_kind(self) -> None:
        self.answers({"run": "r1", "status": "running"}, status=202)
        objects = {"texts": {"a/b": "hello", "c": b"\x00", "d": [1, None]}}
        run = self.client.start("wordcount", objects, input={"n": 1}, id="r1", seal=False, wait="1.5s")
        self.assertEqual(run.id, "r1")
        wire = {"texts": {"a/b": "hello", "c": {"base64": "AA=="}, "d": [1, None]}}
        body = {"seal": False, "objects": wire, "id": "r1", "input": {"n": 1}}
        self.assertEqual(self.asked(), [("POST", "/v1/apps/wordcount/runs?wait=1500ms", body)])

    def test_a_result_is_the_one_output_or_all_by_key(self) -> None:
        def ended(outputs: object, types: object) -> dict[str, object]:
            return {"run": "r", "status": "succeeded", "outputs": outputs, "output_types": types}

        self.answers(
            {"run": "r", "status": "running"},
            {"run": "r", "status": "running"},
            ended({"total": 3}, {"total": "application/json"}),
        )
        self.assertEqual(self.client.start("a").result(), 3)
        self.answers(ended({}, {}))
        self.assertIsNone(self.client.run("r").result())
        both = {"x": {"base64": "AQ=="}, "y": {"base64": "AQ=="}, "z": "text"}
        types = {"x": "application/octet-stream", "y": "application/json", "z": "text/plain"}
        self.answers(ended(both, types))
        self.assertEqual(self.client.run("r").result(), {"x": b"\x01", "y": {"base64": "AQ=="}, "z": "text"})

    def test_a_failed_run_raises_with_its_reason(self) -> None:
        cause = {"type": "ValueError", "message": "no", "stack": "..."}
        error = {"code": "SLU0100", "message": "`f` failed", "where": "f", "fix": "mend it", "cause": cause}
        self.answers({"run": "r", "status": "failed", "error": error})
        with self.assertRaisesRegex(sg.RunFailed, "SLU0100: `f` failed") as caught:
            self.client.run("r").result()
        self.assertEqual((caught.exception.fix, caught.exception.cause), ("mend it", cause))
        self.answers({"run": "r", "status": "cancelled", "error": None})
        with self.assertRaisesRegex(sg.RunFailed, "cancelled"):
            self.client.run("r").result()

    def test_a_result_that_is_not_there_in_time_is_a_timeout(self) -> None:
        self.answers({"run": "r", "status": "running"})
        with self.assertRaises(TimeoutError):
            self.client.run("r").result(timeout=0)
        self.answers({"run": "r", "status": "running"})
        with self.assertRaisesRegex(TimeoutError, "r has not ended within 0s$"):
            self.client.run("r").result(timeout="0s")

    def test_waits_are_durations(self) -> None:
        self.answers({"run": "r", "status": "running"}, {"run": "r", "status": "running"})
        run = self.client.start("a", wait="2d")
        run.refresh(wait=datetime.timedelta(seconds=3))
        asked = [path.partition("?")[2] for _, path, _ in self.asked()]
        self.assertEqual(asked, ["wait=172800000ms", "wait=3000ms"])
        for refused in (
            lambda: self.client.start("a", wait="soon"),
            lambda: run.refresh(wait=-1),
            lambda: run.result(timeout=float("nan")),
            lambda: run.update("u", timeout="-5s"),
        ):
            with self.assertRaisesRegex(ValueError, "wait|timeout"):
                refused()
        with self.assertRaisesRegex(TypeError, "timeout is a number of seconds, a text .* not list"):
            run.result(timeout=[5])

    def test_objects_travel_by_content_type(self) -> None:
        self.answers(b"", b"", b"")
        for value in ("hé", b"\x00", {"n": 1}):
            self.client.put("a", "b", "k y/x", value, run="r")
        sent = [(headers["Content-Type"], body) for _, _, headers, body in self.server.asked]
        expected = [
            ("text/plain", "hé".encode()),
            ("application/octet-stream", b"\x00"),
            ("application/json", b'{"n": 1}'),
        ]
        self.assertEqual(sent, expected)
        self.assertEqual(self.server.asked[0][1], "/v1/apps/a/buckets/b/k%20y/x?run=r")
        self.answers(b'{"n": 1}', content_type="application/vnd.x+json; charset=utf-8")
        self.assertEqual(self.client.get("a", "b", "k"), {"n": 1})
        self.answers("hé".encode(), content_type="text/plain; charset=utf-8")
        self.assertEqual(self.client.get("a", "b", "k"), "hé")
        self.answers(b"\x00", content_type="application/octet-stream")
        self.assertEqual(self.client.get("a", "b", "k"), b"\x00")
        _, data, content_type = encode({"n": [b"\x00"]})
        self.answers(bytes(data), content_type=content_type)
        self.assertEqual(self.client.get("a", "b", "k"), {"n": [b"\x00"]})
        told = {"x": {"base64": base64.b64encode(data).decode()}}
        self.answers({"run": "r", "status": "succeeded", "outputs": told, "output_types": {"x": content_type}})
        self.assertEqual(self.client.run("r").result(), {"n": [b"\x00"]})

    def test_events_are_structured_cloudevents(self) -> None:
        self.answers(b"", b"", b"")
        self.assertEqual(self.client.emit("t", {"n": 1}, subject="s", id="1", run="r"), "1")
        self.client.emit("t", b"\x00", source="/s")
        self.client.emit("t", {"n": b"\x00"})
        first, second, third = [body for _, _, body in self.asked()]
        self.assertEqual(
            first,
            {
                "specversion": "1.0", "type": "t", "source": "sluicegate/python", "id": "1", "subject": "s",
                "sluicerun": "r", "datacontenttype": "application/json", "data": {"n": 1},
            },
        )  # fmt: skip
        self.assertEqual((second["data_base64"], second["source"]), ("AA==", "/s"))
        self.assertEqual(decode(base64.b64decode(third["data_base64"]), third["datacontenttype"]), {"n": b"\x00"})

    def test_runs_are_listed_page_by_page(self) -> None:
        self.answers({"runs": [{"run": "1"}, {"run": "2"}], "next": "c"}, {"runs": [{"run": "3"}], "next": None})
        self.assertEqual([run.id for run in self.client.runs(sg.App("a"), status="failed", limit=9)], ["1", "2", "3"])
        paths = [path for _, path, _ in self.asked()]
        self.assertEqual(
            paths, ["/v1/runs?app=a&status=failed&limit=9", "/v1/runs?app=a&status=failed&limit=7&cursor=c"]
        )

    def test_a_run_is_cancelled_sealed_and_told(self) -> None:
        self.answers({"run": "r/1", "status": "running", "app": "a"}, {}, {}, b"", {"events": [{"seq": 1}]})
        run = self.client.run("r/1")
        run.cancel()
        run.seal()
        run.put("b", "k", "v")
        self.assertEqual(run.history(), [{"seq": 1}])
        paths = [(method, path) for method, path, _ in self.asked()]
        self.assertEqual(
            paths,
            [
                ("GET", "/v1/runs/r%2F1"),
                ("POST", "/v1/runs/r%2F1/cancel"),
                ("POST", "/v1/runs/r%2F1/seal"),
                ("PUT", "/v1/apps/a/buckets/b/k?run=r%2F1"),
                ("GET", "/v1/runs/r%2F1/history"),
            ],
        )

    def test_a_run_is_forked_and_moved(self) -> None:
        self.answers({"run": "r", "status": "failed"}, {"run": "f", "status": "running"}, {})
        run = self.client.run("r")
        self.assertEqual(run.fork("00ff", version=2).id, "f")
        run.move()
        asked = [("POST", "/v1/runs/r/fork", {"at": "00ff", "version": 2}), ("POST", "/v1/runs/r/move", {})]
        self.assertEqual(self.asked()[1:], asked)

    def test_a_refusal_keeps_code_and_fix(self) -> None:
        self.answers({"error": {"code": "SLU0008", "message": "no run `r`", "fix": "look"}}, status=404)
        with self.assertRaises(sg.ApiError) as caught:
            self.client.run("r")
        error = caught.exception
        self.assertEqual((error.status, error.code, error.message, error.fix), (404, "SLU0008", "no run `r`", "look"))
        self.answers(b"<html>", status=502, content_type="text/html")
        with self.assertRaisesRegex(sg.ApiError, "502: <html>"):
            self.client.run("r")

    def test_no_server_is_an_error_of_its_own(self) -> None:
        port = self.server.server_port
        self.doCleanups()
        with self.assertRaises(sg.ApiError) as caught:
            sg.Client(f"http://127.0.0.1:{port}").run("r")
        self.assertEqual((caught.exception.status, caught.exception.code), (0, "SLU0200"))

    def test_a_deploy_carries_definition_and_files(self) -> None:
        self.answers({"app": "wordcount", "version": 1})
        self.assertEqual(self.client.deploy(os.path.join(FIXTURE, "app.py"))["version"], 1)
        ((method, path, body),) = self.asked()
        self.assertEqual((method, path), ("POST", "/v1/apps/wordcount"))
        with open(os.path.join(FIXTURE, "definition.json"), encoding="utf-8") as expected:
            self.assertEqual(body["definition"], json.load(expected))
        self.assertEqual(sorted(body["files"]), ["app.py", "definition.json"])
        with open(os.path.join(FIXTURE, "app.py"), "rb") as file:
            self.assertEqual(base64.b64decode(body["files"]["app.py"]["base64"]), file.read())

    def test_what_cannot_be_deployed_says_why(self) -> None:
        with self.assertRaisesRegex(ValueError, "sluice deploy x.yaml"):
            self.client.deploy("x.yaml")
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "app.py")
            with open(file, "w", encoding="utf-8") as out:
                out.write("import sluicegate\n1/0\n")
            with self.assertRaisesRegex(ValueError, "app.py:2: ZeroDivisionError"):
                self.client.deploy(file)


class Bundles(unittest.TestCase):
    def test_only_the_files_of_the_app_go_along(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            names = ["app.py", "data/x.txt", ".env", ".sluice/log", "__pycache__/a.pyc", "target/b", "node_modules/c/d"]
            for name in names:
                path = os.path.join(folder, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as out:
                    out.write(name)
            self.assertEqual(sorted(_bundle.bundle_files(os.path.join(folder, "app.py"))), ["app.py", "data/x.txt"])

    def test_a_huge_folder_sends_the_file_alone(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "app.py")
            open(file, "w", encoding="utf-8").close()
            with open(os.path.join(folder, "big"), "wb") as big:
                big.truncate(_bundle.BUNDLE_BYTES_MAX + 1)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                self.assertEqual(_bundle.bundle_files(file), {"app.py": b""})
            self.assertIn("only app.py is deployed", str(caught[0].message))
