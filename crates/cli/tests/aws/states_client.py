"""AWS Step Functions as boto3 sees it: what the tests beside this file share. SLUICE_URL is the server's.

Every answer is held against botocore's own service model: no field that AWS does not have, none missing that it always
has, values within their bounds, and no error that AWS does not declare for the action.
"""

import json
import os
import unittest
import urllib.parse
import urllib.request
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/test"
URL = os.environ["SLUICE_URL"]
# Errors of the protocol, which the model does not list.
COMMON = {"ValidationException", "SerializationException", "UnknownOperationException"}


def client(**config):
    """Sends what it is told to send; hosts have no prefix, because the server has one name."""
    settings = {"inject_host_prefix": False, "read_timeout": 120, "proxies": {}, "retries": {"max_attempts": 1}}
    made = boto3.client(
        "stepfunctions",
        endpoint_url=URL,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(**(settings | config)),
    )
    made.meta.events.register("before-parse.sfn", conforms)
    return made


def conforms(operation_model, response_dict, **_):
    body = json.loads(response_dict["body"])
    if response_dict["status_code"] < 300:
        shape(operation_model.output_shape, body, operation_model.name)
        return
    name = body.pop("__type")
    declared = {error.name: error for error in operation_model.error_shapes}
    if name in declared:
        shape(declared[name], body, name)
    else:
        assert name in COMMON, f"{operation_model.name} answers {name}, which AWS does not declare: {body}"


def shape(wanted, value, at):
    """Asserts that a value is of a shape of the service model."""
    kind, limits = wanted.type_name, wanted.metadata
    if kind == "structure":
        unknown = set(value) - set(wanted.members)
        missing = set(wanted.required_members) - set(value)
        assert not unknown and not missing, f"{at}: unknown {unknown}, missing {missing}"
        for name, inner in value.items():
            shape(wanted.members[name], inner, f"{at}.{name}")
    elif kind == "list":
        for index, inner in enumerate(value):
            shape(wanted.member, inner, f"{at}[{index}]")
    elif kind == "map":
        for name, inner in value.items():
            shape(wanted.value, inner, f"{at}[{name}]")
    else:
        types = {"string": str, "boolean": bool, "timestamp": (int, float), "float": (int, float)}
        assert isinstance(value, types.get(kind, int)), f"{at}: {value!r} is no {kind}"
        size = len(value) if kind == "string" else value
        assert limits.get("min", size) <= size <= limits.get("max", size), f"{at}: {value!r} is out of bounds"
        assert value in limits.get("enum", [value]), f"{at}: {value!r} is none of {limits['enum']}"


def machine(*states, names="ABC", **more):
    """A definition of states that follow each other, named A, B, C."""
    names = names[: len(states)]
    onward = [{"Next": name} for name in names[1:]] + [{"End": True}]
    ends = ("Succeed", "Fail", "Choice")
    made = {n: s if s["Type"] in ends or "Next" in s else onward[i] | s for i, (n, s) in enumerate(zip(names, states))}
    return json.dumps({"StartAt": names[0], "States": made} | more)


PASS = {"Type": "Pass"}
FAIL = {"Type": "Fail", "Error": "Mine", "Cause": "because"}
FOREVER = {"Type": "Wait", "Seconds": 99999999}


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.aws = client()
        self.name = f"m-{uuid.uuid4().hex[:8]}"

    def create(self, *states, **more):
        """The ARN of a new state machine."""
        definition = machine(*states) if states else None
        settings = {"name": self.name, "definition": definition, "roleArn": ROLE} | more
        return self.aws.create_state_machine(**settings)["stateMachineArn"]

    def start(self, arn, value=None, **more):
        given = {} if value is None else {"input": json.dumps(value)}
        return self.aws.start_execution(stateMachineArn=arn, **given, **more)["executionArn"]

    def ended(self, execution):
        """What is said of an execution, once it has ended."""
        run = "~".join(execution.split(":")[6:])
        with urllib.request.urlopen(f"{URL}/v1/runs/{urllib.parse.quote(run)}?wait=60s") as answer:
            self.assertNotEqual(json.load(answer)["status"], "running", execution)
        return self.aws.describe_execution(executionArn=execution)

    def run_once(self, *states, value=None):
        return self.ended(self.start(self.create(*states), value))

    def refused(self, code, call, *, message=None, **named):
        """Asserts that a call is refused, and returns the whole answer."""
        with self.assertRaises(ClientError) as caught:
            call(**named)
        answer = caught.exception.response
        self.assertEqual(answer["Error"]["Code"], code, answer)
        if message is not None:
            self.assertEqual(answer["Error"]["Message"], message)
        return answer

    def pages(self, call, key, **named):
        """All items of a list, two at a time."""
        found, token = [], {}
        while True:
            answer = call(maxResults=2, **named, **token)
            self.assertLessEqual(len(answer[key]), 2)
            found += answer[key]
            if "nextToken" not in answer:
                return found
            token = {"nextToken": answer["nextToken"]}
