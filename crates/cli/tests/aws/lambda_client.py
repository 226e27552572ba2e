"""AWS Lambda as boto3 sees it. Run by lambda.rs with the server's URL in SLUICE_URL; arguments name the tests."""

import base64
import io
import json
import os
import unittest
import urllib.request
import uuid
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/test"
URL = os.environ["SLUICE_URL"]


def client(key="test", secret="test"):
    return boto3.client(
        "lambda",
        endpoint_url=URL,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 1}, read_timeout=120, proxies={}),
    )


def package(**files):
    """A zip; `__` in a name stands for the dot."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    return out.getvalue()


def run_of(request_id):
    """The run behind an invocation, once it has ended."""
    with urllib.request.urlopen(f"{URL}/v1/runs/{request_id}?wait=60s") as answer:
        return json.load(answer)


class Case(unittest.TestCase):
    """A function of its own for every test."""

    maxDiff = None

    def setUp(self):
        self.aws = client()
        self.name = f"f-{uuid.uuid4().hex[:8]}"

    def create(self, code="", **more):
        zip_file = more.pop("zip_file", None) or package(app__py=code)
        settings = {"Runtime": "python3.13", "Role": ROLE, "Handler": "app.handler", **more}
        return self.aws.create_function(FunctionName=self.name, Code={"ZipFile": zip_file}, **settings)

    def call(self, event=None, **more):
        """The answer with its payload decoded."""
        payload = {} if event is None else {"Payload": json.dumps(event)}
        answer = self.aws.invoke(FunctionName=more.pop("FunctionName", self.name), **payload, **more)
        text = answer["Payload"].read()
        answer["Payload"] = json.loads(text) if text else None
        return answer

    def refused(self, code, call, *arguments, status=None, **named):
        """Calls, and expects this error."""
        with self.assertRaises(ClientError) as caught:
            call(*arguments, **named)
        error = caught.exception.response
        self.assertEqual(error["Error"]["Code"], code, error)
        self.assertTrue(error["Error"]["Message"])
        if status is not None:
            self.assertEqual(error["ResponseMetadata"]["HTTPStatusCode"], status)
        return error["Error"]["Message"]

    def failed(self, event=None, **more):
        """Calls a function that fails; its error."""
        answer = self.call(event, **more)
        self.assertEqual((answer["StatusCode"], answer.get("FunctionError")), (200, "Unhandled"), answer)
        return answer["Payload"]


class Functions(Case):
    def test_a_function_is_made_shown_changed_and_deleted(self):
        made = self.create("def handler(e, c): return 1", Description="d", Tags={"a": "b"}, MemorySize=256)
        self.assertEqual(made["ResponseMetadata"]["HTTPStatusCode"], 201)
        self.assertTrue(made["FunctionArn"].endswith(f":function:{self.name}"))
        self.assertEqual((made["Version"], made["State"], made["Timeout"]), ("$LATEST", "Active", 3))
        shown = self.aws.get_function(FunctionName=made["FunctionArn"])
        self.assertEqual(shown["Configuration"]["RevisionId"], made["RevisionId"])
        self.assertEqual((shown["Configuration"]["MemorySize"], shown["Tags"]), (256, {"a": "b"}))
        with urllib.request.urlopen(shown["Code"]["Location"]) as code:
            self.assertEqual(len(code.read()), made["CodeSize"])
        self.assertIn(self.name, [f["FunctionName"] for f in self.aws.list_functions()["Functions"]])
        changed = self.aws.update_function_configuration(
            FunctionName=self.name, Timeout=7, Environment={"Variables": {"SEEN": "yes"}}
        )
        self.assertEqual((changed["Timeout"], changed["Environment"]["Variables"]), (7, {"SEEN": "yes"}))
        self.assertNotEqual(changed["RevisionId"], made["RevisionId"])
        code = package(app__py="import os\ndef handler(e, c): return os.environ['SEEN']")
        updated = self.aws.update_function_code(FunctionName=self.name, ZipFile=code)
        self.assertNotEqual(updated["CodeSha256"], made["CodeSha256"])
        self.assertEqual(self.call()["Payload"], "yes")
        self.aws.delete_function(FunctionName=self.name)
        message = self.refused("ResourceNotFoundException", self.aws.get_function, FunctionName=self.name, status=404)
        self.assertIn(f"Function not found: {made['FunctionArn']}", message)
        self.refused("ResourceNotFoundException", self.aws.invoke, FunctionName=self.name)
        self.assertNotIn(self.name, [f["FunctionName"] for f in self.aws.list_functions()["Functions"]])

    def test_what_is_wrong_with_a_request_is_said(self):
        self.create("def handler(e, c): return 1")
        self.refused("ResourceConflictException", self.create, "x = 1", status=409)
        self.name += "-more"
        for zip_file in [b"no zip", package(), package(**{"../x": "y"})]:
            self.refused("InvalidParameterValueException", self.create, zip_file=zip_file, status=400)
        for wrong in [{"Runtime": "nodejs22.x"}, {"Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:l:1"]}]:
            self.refused("InvalidParameterValueException", self.create, "x = 1", **wrong)
        for wrong in [{"Timeout": 901}, {"MemorySize": 10241}, {"Role": "arn:aws:iam::1:role/role-of-nobody"}]:
            self.refused("ValidationException", self.create, "x = 1", **wrong)
        at_s3 = {"S3Bucket": "some-bucket", "S3Key": "key"}
        self.refused(
            "InvalidParameterValueException", self.aws.create_function, FunctionName=self.name,
            Runtime="python3.13", Role=ROLE, Handler="app.handler", Code=at_s3,
        )  # fmt: skip
        self.refused("ResourceNotFoundException", self.aws.get_function, FunctionName=self.name)

    def test_a_change_that_somebody_else_has_overtaken_is_refused(self):
        revision = self.create("def handler(e, c): return 1")["RevisionId"]
        self.aws.update_function_configuration(FunctionName=self.name, Timeout=5, RevisionId=revision)
        update = self.aws.update_function_configuration
        self.refused("PreconditionFailedException", update, FunctionName=self.name, Timeout=6, RevisionId=revision)

    def test_lists_have_pages(self):
        self.create("def handler(e, c): return 1")
        for number in range(3):
            self.aws.create_alias(FunctionName=self.name, Name=f"a{number}", FunctionVersion="$LATEST")
        pages = self.aws.get_paginator("list_aliases").paginate(FunctionName=self.name, PaginationConfig={"PageSize": 2})
        names = [[alias["Name"] for alias in page["Aliases"]] for page in pages]
        self.assertEqual(names, [["a0", "a1"], ["a2"]])

    def test_tags_and_concurrency(self):
        arn = self.create("def handler(e, c): return 1", Tags={"a": "1", "b": "2"})["FunctionArn"]
        self.aws.tag_resource(Resource=arn, Tags={"c": "3"})
        self.aws.untag_resource(Resource=arn, TagKeys=["a", "b"])
        self.assertEqual(self.aws.list_tags(Resource=arn)["Tags"], {"c": "3"})
        self.aws.put_function_concurrency(FunctionName=self.name, ReservedConcurrentExecutions=0)
        self.refused("TooManyRequestsException", self.aws.invoke, FunctionName=self.name, status=429)
        found = self.aws.get_function_concurrency(FunctionName=self.name)
        self.assertEqual(found["ReservedConcurrentExecutions"], 0)
        self.aws.delete_function_concurrency(FunctionName=self.name)
        self.assertEqual(self.call()["Payload"], 1)


class Versions(Case):
    def test_versions_keep_their_code_and_aliases_point_to_them(self):
        self.create("def handler(e, c): return ['one', c.function_version, c.invoked_function_arn]")
        first = self.aws.publish_version(FunctionName=self.name)
        self.assertEqual(first["Version"], "1")
        self.assertEqual(self.aws.publish_version(FunctionName=self.name)["Version"], "1", "nothing has changed")
        code = package(app__py="def handler(e, c): return ['two', c.function_version, c.invoked_function_arn]")
        second = self.aws.update_function_code(FunctionName=self.name, ZipFile=code, Publish=True)
        self.assertEqual(second["Version"], "2")
        alias = self.aws.create_alias(FunctionName=self.name, Name="live", FunctionVersion="1")
        self.assertEqual(alias["FunctionVersion"], "1")
        answer = self.call(Qualifier="live")
        self.assertEqual(answer["Payload"], ["one", "1", alias["AliasArn"]])
        self.assertEqual(answer["ExecutedVersion"], "1")
        self.assertEqual(self.call(FunctionName=f"{self.name}:2")["Payload"][:2], ["two", "2"])
        self.assertEqual(self.call()["Payload"][:2], ["two", "$LATEST"])
        self.aws.update_alias(FunctionName=self.name, Name="live", FunctionVersion="2")
        self.assertEqual(self.call(Qualifier="live")["Payload"][0], "two")
        versions = self.aws.list_versions_by_function(FunctionName=self.name)["Versions"]
        self.assertEqual([v["Version"] for v in versions], ["$LATEST", "1", "2"])
        self.refused("ResourceConflictException", self.aws.delete_function, FunctionName=self.name, Qualifier="2")
        self.aws.delete_function(FunctionName=self.name, Qualifier="1")
        self.refused("ResourceNotFoundException", self.aws.invoke, FunctionName=self.name, Qualifier="1")
        self.aws.delete_alias(FunctionName=self.name, Name="live")
        self.refused("ResourceNotFoundException", self.aws.get_alias, FunctionName=self.name, Name="live")

    def test_numbers_are_not_given_twice(self):
        self.create("def handler(e, c): return 1", Publish=True)
        self.aws.delete_function(FunctionName=self.name)
        self.assertEqual(self.create("def handler(e, c): return 1", Publish=True)["Version"], "2")

    def test_an_alias_shares_its_invocations(self):
        self.create("def handler(e, c): return 1", Publish=True)
        code = package(app__py="def handler(e, c): return 2")
        self.aws.update_function_code(FunctionName=self.name, ZipFile=code, Publish=True)
        alias = {"FunctionName": self.name, "Name": "live"}
        self.aws.create_alias(**alias, FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}})
        self.assertEqual(self.call(Qualifier="live")["Payload"], 2)
        self.aws.update_alias(**alias, RoutingConfig={"AdditionalVersionWeights": {"2": 0.0}})
        self.assertEqual(self.call(Qualifier="live")["Payload"], 1)
        self.aws.update_alias(**alias, RoutingConfig={"AdditionalVersionWeights": {}})
        self.assertNotIn("RoutingConfig", self.aws.get_alias(**alias))
        wrong = {"AdditionalVersionWeights": {"7": 0.5}}
        self.refused("ResourceNotFoundException", self.aws.update_alias, **alias, RoutingConfig=wrong)


CONTEXT = """
import os
def handler(event, context):
    return {
        "event": event,
        "context": [context.function_name, context.function_version, context.memory_limit_in_mb,
                    context.log_group_name, context.client_context and context.client_context.custom,
                    context.identity.cognito_identity_id],
        "left": 0 < context.get_remaining_time_in_millis() <= 3000,
        "id": context.aws_request_id,
        "environment": [os.environ[n] for n in ("_HANDLER", "AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME", "LAMBDA_TASK_ROOT")],
        "cwd": os.getcwd(),
    }
"""


class Invocations(Case):
    def test_a_handler_sees_what_aws_gives(self):
        self.create(CONTEXT)
        context = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
        answer = self.call({"x": [1, "ü"]}, ClientContext=context)
        seen = answer["Payload"]
        self.assertEqual(seen["event"], {"x": [1, "ü"]})
        group = f"/aws/lambda/{self.name}"
        self.assertEqual(seen["context"], [self.name, "$LATEST", "128", group, {"k": "v"}, None])
        self.assertEqual(seen["environment"], ["app.handler", "us-east-1", self.name, seen["cwd"]])
        self.assertTrue(seen["left"])
        self.assertEqual(seen["id"], answer["ResponseMetadata"]["RequestId"])
        self.assertEqual(self.call()["Payload"]["event"], {}, "no payload is an empty object")

    def test_workers_stay_warm(self):
        self.create("n = 0\ndef handler(e, c):\n    global n\n    n += 1\n    return n")
        self.assertEqual([self.call()["Payload"] for _ in range(3)], [1, 2, 3])

    def test_large_events_and_answers(self):
        self.create("def handler(e, c): return e * 2", Timeout=60, MemorySize=512)
        self.assertEqual(self.call("x" * 300_000)["Payload"], "x" * 600_000)
        self.assertEqual(self.failed("x" * 4_000_000)["errorType"], "Function.ResponseSizeTooLarge")
        event = json.dumps("x" * (6 << 20))
        invoke = self.aws.invoke
        message = self.refused("RequestTooLargeException", invoke, FunctionName=self.name, Payload=event, status=413)
        self.assertIn("6291456", message)

    def test_the_log_ends_in_a_report(self):
        self.create("import logging\ndef handler(e, c):\n    print('printed')\n    logging.warning('warned')")
        answer = self.call(LogType="Tail")
        log = base64.b64decode(answer["LogResult"]).decode().splitlines()
        request = answer["ResponseMetadata"]["RequestId"]
        self.assertEqual(log[:2], [f"START RequestId: {request} Version: $LATEST", "printed"])
        self.assertRegex(log[2], rf"^\[WARNING\]\t[-\d]+T[:.\d]+Z\t{request}\twarned$")
        self.assertEqual(log[3], f"END RequestId: {request}")
        self.assertRegex(log[4], rf"^REPORT RequestId: {request}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\t")
        self.assertNotIn("LogResult", self.call())

    def test_the_log_has_what_the_import_printed_and_one_order(self):
        self.create(
            "import sys\nprint('imported')\ndef handler(e, c):\n"
            "    for n in range(3):\n        print('out', n)\n        print('err', n, file=sys.stderr)"
        )
        logs = [base64.b64decode(self.call(LogType="Tail")["LogResult"]).decode().splitlines() for _ in range(3)]
        self.assertEqual(logs[0][0], "imported")
        for log in logs:
            start = next(at for at, line in enumerate(log) if line.startswith("START "))
            lines = [f"{stream} {n}" for n in range(3) for stream in ("out", "err")]
            self.assertEqual(log[start + 1 : start + 7], lines)
            self.assertTrue(log[start + 7].startswith("END "), log)

    def test_an_exception_is_the_callers(self):
        self.create("class Mine(Exception): pass\n\ndef handler(e, c):\n    inner()\n\ndef inner():\n    raise Mine('no')")
        answer = self.call(LogType="Tail")
        self.assertEqual(answer["FunctionError"], "Unhandled")
        error = answer["Payload"]
        self.assertEqual(set(error), {"errorMessage", "errorType", "requestId", "stackTrace"})
        self.assertEqual((error["errorMessage"], error["errorType"]), ("no", "Mine"))
        self.assertEqual(error["requestId"], answer["ResponseMetadata"]["RequestId"])
        self.assertEqual(len(error["stackTrace"]), 2)
        self.assertRegex(error["stackTrace"][0], r'^  File ".*/app.py", line 4, in handler\n    inner\(\)\n')
        self.assertIn("[ERROR] Mine: no", base64.b64decode(answer["LogResult"]).decode())

    def test_the_runtimes_own_errors(self):
        for code, handler, kind, message in [
            ("import nothing_there", "app.handler", "Runtime.ImportModuleError",
             "Unable to import module 'app': No module named 'nothing_there'"),
            ("x = 1", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
            ("def broken(:", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
            ("x = 1", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler'"),
            ("def handler(e, c): return {1, 2}", "app.handler", "Runtime.MarshalError",
             "Unable to marshal response: Object of type set is not JSON serializable"),
        ]:  # fmt: skip
            with self.subTest(kind):
                self.name = f"f-{uuid.uuid4().hex[:8]}"
                self.create(code, Handler=handler)
                error = self.failed()
                self.assertEqual(error["errorType"], kind)
                self.assertIn(message, error["errorMessage"])

    def test_a_timeout_ends_the_function(self):
        self.create("import time\ndef handler(e, c):\n    print('on my way')\n    time.sleep(600)", Timeout=1)
        answer = self.call(LogType="Tail")
        request = answer["ResponseMetadata"]["RequestId"]
        message = f"RequestId: {request} Error: Task timed out after 1.00 seconds"
        self.assertEqual(answer["Payload"], {"errorType": "Sandbox.Timedout", "errorMessage": message})
        log = base64.b64decode(answer["LogResult"]).decode()
        self.assertIn("on my way", log)
        self.assertRegex(log, rf"[-\d]+T[:.\d]+Z {request} Task timed out after 1\.00 seconds\n")
        self.assertIn("REPORT", log)

    def test_a_process_that_ends_takes_its_state_along(self):
        self.create("import sys\nn = 0\ndef handler(e, c):\n    global n\n    n += 1\n    if e: sys.exit(e)\n    return n")
        self.assertEqual(self.call(0)["Payload"], 1)
        error = self.failed(3)
        self.assertEqual(error["errorType"], "Runtime.ExitError")
        self.assertIn("Runtime exited with error: exit status 3", error["errorMessage"])
        self.assertEqual(self.call(0)["Payload"], 1)

    def test_what_is_no_event_is_refused(self):
        self.create("def handler(e, c): return 1")
        broken = {"FunctionName": self.name, "Payload": "{"}
        self.refused("InvalidRequestContentException", self.aws.invoke, **broken, status=400)

    def test_nobody_waits_for_an_event(self):
        arn = self.create("def handler(e, c): return e")["FunctionArn"]
        answer = self.call({"a": 1}, InvocationType="Event")
        self.assertEqual((answer["StatusCode"], answer["Payload"]), (202, None))
        run = run_of(answer["ResponseMetadata"]["RequestId"])
        self.assertEqual((run["status"], run["outputs"]), ("succeeded", {arn: {"a": 1}}))
        self.assertEqual(self.call(InvocationType="DryRun")["StatusCode"], 204)


BOOTSTRAP = """#!/usr/bin/env python3
import json, os, sys, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"
n = 0
def post(path, body):
    urllib.request.urlopen(urllib.request.Request(api + path, data=json.dumps(body).encode(), method="POST")).read()
while True:
    with urllib.request.urlopen(api + "invocation/next") as answer:
        id, event = answer.headers["Lambda-Runtime-Aws-Request-Id"], json.load(answer)
        arn = answer.headers["Lambda-Runtime-Invoked-Function-Arn"]
    n += 1
    print("call", n, flush=True)
    if event == "exit":
        sys.exit(7)
    elif event == "fail":
        post(f"invocation/{id}/error", {"errorType": "Mine", "errorMessage": "no", "more": [1]})
    else:
        post(f"invocation/{id}/response", {"n": n, "event": event, "arn": arn, "handler": os.environ["_HANDLER"]})
"""


class Provided(Case):
    def create_provided(self, bootstrap):
        zip_file = package(bootstrap=bootstrap)
        return self.create(Runtime="provided.al2023", Handler="hello", Timeout=20, zip_file=zip_file)

    def test_a_runtime_of_its_own_stays_warm(self):
        arn = self.create_provided(BOOTSTRAP)["FunctionArn"]
        first = self.call({"a": 1}, LogType="Tail")
        self.assertEqual(first["Payload"], {"n": 1, "event": {"a": 1}, "arn": arn, "handler": "hello"})
        self.assertIn("call 1\n", base64.b64decode(first["LogResult"]).decode())
        self.assertEqual(self.call("x")["Payload"]["n"], 2)
        self.assertEqual(self.failed("fail"), {"errorType": "Mine", "errorMessage": "no", "more": [1]})
        self.assertEqual(self.call("x")["Payload"]["n"], 4)

    def test_one_that_ends_is_started_again(self):
        self.create_provided(BOOTSTRAP)
        error = self.failed("exit")
        self.assertEqual(error["errorType"], "Runtime.ExitError")
        self.assertIn("exit status 7", error["errorMessage"])
        self.assertEqual(self.call("x")["Payload"]["n"], 1)

    def test_one_that_cannot_start_says_so(self):
        self.create_provided("neither a program nor a script")
        self.assertEqual(self.failed()["errorType"], "Runtime.InvalidEntrypoint")


class Signatures(unittest.TestCase):
    """The server asks for the key AKID and the secret s3cret."""

    def test_the_right_secret_is_asked_for(self):
        name = f"f-{uuid.uuid4().hex[:8]}"
        right = client("AKID", "s3cret")
        code = {"ZipFile": package(app__py="def handler(e, c): return e")}
        right.create_function(FunctionName=name, Runtime="python3.13", Role=ROLE, Handler="app.handler", Code=code)
        self.assertEqual(right.get_function(FunctionName=f"{name}:$LATEST")["Configuration"]["Version"], "$LATEST")
        answer = right.invoke(FunctionName=name, Payload='{"a": "ü"}'.encode(), Qualifier="$LATEST")
        self.assertEqual(json.load(answer["Payload"]), {"a": "ü"})
        for key, secret, code in [
            ("AKID", "wrong", "InvalidSignatureException"),
            ("OTHER", "s3cret", "UnrecognizedClientException"),
        ]:
            with self.assertRaises(ClientError) as caught:
                client(key, secret).list_functions()
            self.assertEqual(caught.exception.response["Error"]["Code"], code)


class BeforeCrash(Case):
    def test_what_is_answered(self):
        self.name = "survivor"
        self.create("def handler(e, c): return e", Publish=True)
        answer = self.call({"a": 1}, InvocationType="Event", Qualifier="1")
        with open("request", "w") as file:
            file.write(answer["ResponseMetadata"]["RequestId"])


class AfterCrash(Case):
    def test_is_there(self):
        with open("request") as file:
            run = run_of(file.read())
        self.assertEqual((run["status"], list(run["outputs"].values())), ("succeeded", [{"a": 1}]))
        self.name = "survivor"
        self.assertEqual(self.call(2, Qualifier="1")["ExecutedVersion"], "1")
        self.assertEqual(self.aws.publish_version(FunctionName=self.name)["Version"], "1")


if __name__ == "__main__":
    unittest.main(verbosity=2)
