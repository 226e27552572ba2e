"""AWS Lambda's calling convention without a server: handlers, results, and the Runtime API of a bootstrap."""

import contextlib
import http.client
import io
import os
import sys
import tempfile
import threading
import types
import unittest
from decimal import Decimal

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from sluicegate._failure import Reported
from sluicegate._lambda import _call, find_handler, marshal
from sluicegate._lambda_context import LambdaContext
from sluicegate._lambda_runtime import Bootstrap


class Handlers(unittest.TestCase):
    def setUp(self):
        module = types.ModuleType("sample_handlers")
        module.echo = lambda event, context: event
        sys.modules["sample_handlers"] = module
        self.addCleanup(sys.modules.pop, "sample_handlers")

    def test_a_handler_is_found_by_module_and_name(self):
        self.assertEqual(find_handler("sample_handlers.echo")(1, None), 1)
        for handler, kind in [
            ("sample_handlers", "Runtime.MalformedHandlerName"),
            ("sample_handlers.none", "Runtime.HandlerNotFound"),
            ("no_such_module.echo", "Runtime.ImportModuleError"),
            ("sys.exit", "Runtime.BuiltInModuleConflict"),
        ]:
            with self.assertRaises(Reported) as caught:
                find_handler(handler)
            self.assertEqual(caught.exception.type, kind)

    def test_results_are_json(self):
        self.assertEqual(marshal({"a": Decimal("1.5"), "b": "ü"}).data, '{"a": 1.5, "b": "ü"}'.encode())
        for value in [{1}, b"x", float("nan"), object(), "\ud800"]:
            with self.assertRaises(Reported) as caught, contextlib.redirect_stdout(io.StringIO()):
                marshal(value)
            self.assertEqual(caught.exception.type, "Runtime.MarshalError")

    def test_what_a_handler_raises_is_reported_with_its_stack(self):
        def fail(event, context):
            raise KeyError(event)

        with self.assertRaises(Reported) as caught, contextlib.redirect_stdout(io.StringIO()) as log:
            _call(fail, b'"k"', None)
        error = caught.exception
        self.assertEqual((error.type, error.message), ("KeyError", "'k'"))
        self.assertTrue(error.stack.startswith(f'  File "{__file__}", line '), error.stack)
        self.assertTrue(log.getvalue().startswith("[ERROR] KeyError: 'k'\nTraceback (most recent call last):\n  File"), log.getvalue())


class RuntimeApi(unittest.TestCase):
    """A thread of the test speaks for the program, which sleeps."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        program = os.path.join(folder.name, "bootstrap")
        with open(program, "w") as file:
            file.write("#!/bin/sh\nexec sleep 600\n")
        os.chmod(program, 0o755)
        self.bootstrap = Bootstrap(folder.name)
        self.addCleanup(lambda: self.bootstrap._process and self.bootstrap._process.kill())

    def speak(self, *requests):
        """Runs an invocation `id` while these requests are made; what it came to, and their answers."""
        answers = []

        def client():
            with self.bootstrap._changed:
                self.bootstrap._changed.wait_for(lambda: self.bootstrap._process is not None)
            connection = http.client.HTTPConnection("127.0.0.1", self.bootstrap._server.server_port)
            for method, path, body in requests:
                chunked = not isinstance(body, (bytes, type(None)))
                connection.request(method, "/2018-06-01/runtime/" + path, body, encode_chunked=chunked)
                answer = connection.getresponse()
                answers.append((answer.status, answer.read(), answer.getheader("Lambda-Runtime-Aws-Request-Id")))
            connection.close()

        speaker = threading.Thread(target=client)
        speaker.start()
        try:
            outcome = self.bootstrap.run(b'{"a": 1}', LambdaContext("id", "arn", 0, None)).data
        except Reported as error:
            outcome = error
        speaker.join()
        return outcome, answers

    def test_an_answer_may_come_in_chunks(self):
        next, respond = ("GET", "invocation/next", None), ("POST", "invocation/id/response", iter([b'{"b"', b": 2}"]))
        outcome, answers = self.speak(next, respond)
        self.assertEqual(outcome, b'{"b": 2}')
        self.assertEqual(answers[0], (200, b'{"a": 1}', "id"))
        self.assertEqual(answers[1][0], 202)

    def test_an_answer_to_something_else_is_refused(self):
        outcome, answers = self.speak(
            ("POST", "invocation/other/response", b"1"),
            ("GET", "nothing", None),
            ("POST", "invocation/id/error", b'{"errorType": "T", "errorMessage": "m"}'),
        )
        self.assertEqual([status for status, _, _ in answers], [400, 404, 202])
        self.assertEqual((outcome.type, outcome.message), ("T", "m"))

    def test_a_program_that_cannot_start_fails_its_invocation(self):
        outcome, _ = self.speak(("POST", "init/error", b'{"errorType": "Init", "errorMessage": "m"}'))
        self.assertEqual((outcome.type, outcome.stack), ("Init", '{"errorType": "Init", "errorMessage": "m"}'))


if __name__ == "__main__":
    unittest.main()
