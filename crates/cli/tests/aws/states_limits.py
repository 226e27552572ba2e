"""What AWS's service model does not allow, and what is no request at all. Run by step_functions.rs."""

import json
import unittest
import urllib.error
import urllib.request

from states_client import PASS, ROLE, URL, Case, client, machine


class Constraints(Case):
    """Every bound of every parameter in botocore's model, each broken alone by a client that does not check."""

    def setUp(self):
        super().setUp()
        self.aws = client(parameter_validation=False)
        self.model = self.aws.meta.service_model

    def operations(self):
        for name in self.model.operation_names:
            operation = self.model.operation_model(name)
            yield operation, {n: self.good(s) for n, s in operation.input_shape.members.items() if n in operation.input_shape.required_members}

    def good(self, shape):
        """The least that is of a shape."""
        if shape.type_name == "structure":
            return {name: self.good(shape.members[name]) for name in shape.required_members}
        if shape.type_name == "list":
            return [self.good(shape.member)] * shape.metadata.get("min", 0)
        if shape.type_name == "string":
            return shape.enum[0] if shape.enum else "a" * shape.metadata.get("min", 0)
        return False if shape.type_name == "boolean" else shape.metadata.get("min", 0)

    def broken(self, shape, path=()):
        """Paths into a shape, a value that is not allowed there, and what has to be said of it."""
        limits = shape.metadata
        if shape.type_name == "structure":
            for name, inner in shape.members.items():
                yield from self.broken(inner, (*path, name))
        elif shape.type_name == "list":
            if "max" in limits:
                yield path, [self.good(shape.member)] * (limits["max"] + 1), f"length less than or equal to {limits['max']}"
            yield from self.broken(shape.member, (*path, 0))
        elif shape.type_name == "string":
            if shape.enum:
                yield path, "nonsense", "enum value set: ["
            elif "max" in limits:
                yield path, "a" * (limits["max"] + 1), f"length less than or equal to {limits['max']}"
            if limits.get("min", 0) > 0 and not shape.enum:
                yield path, "", f"length greater than or equal to {limits['min']}"
            if "pattern" in limits:
                yield path, "é ", f"regular expression pattern: {limits['pattern']}"
        elif shape.type_name != "boolean":
            if "max" in limits:
                yield path, limits["max"] + 1, f"value less than or equal to {limits['max']}"
            if "min" in limits:
                yield path, limits["min"] - 1, f"value greater than or equal to {limits['min']}"

    def ask(self, operation, parameters):
        method = next(m for m, o in self.aws.meta.method_to_api_mapping.items() if o == operation.name)
        return self.refused("ValidationException", getattr(self.aws, method), **parameters)["message"]

    def test_what_is_required_is_asked_for(self):
        checked = 0
        for operation, good in self.operations():
            for name in good:
                message = self.ask(operation, {n: v for n, v in good.items() if n != name})
                wanted = f"Value null at '{name}' failed to satisfy constraint: Member must not be null"
                self.assertIn(wanted, message, operation.name)
                checked += 1
        self.assertGreater(checked, 30)

    def test_bounds_are_kept(self):
        checked = 0
        for operation, good in self.operations():
            for path, value, wanted in self.broken(operation.input_shape):
                parameters = json.loads(json.dumps(good))
                self.place(operation.input_shape, parameters, path, value)
                at = ".".join("1.member" if part == 0 else part for part in path)
                with self.subTest(operation=operation.name, at=at, wanted=wanted):
                    message = self.ask(operation, parameters)
                    self.assertRegex(message, rf"^\d+ validation errors? detected: Value")
                    self.assertIn(f" at '{at}' failed to satisfy constraint: Member must ", message)
                    self.assertIn(wanted, message)
                checked += 1
        self.assertGreater(checked, 200)

    def place(self, shape, into, path, value):
        """Puts a value where a path leads, with the least around it that makes the rest good."""
        (name, *rest) = path
        inner = shape.member if name == 0 else shape.members[name]
        if name == 0:
            into[:] = into or [self.good(inner)]
        if not rest:
            into[name] = value
            return
        if name != 0:
            into[name] = into.get(name) or self.good(inner)
        self.place(inner, into[name], rest, value)


class Sizes(Case):
    def test_definitions_of_a_mebibyte(self):
        longest = machine({"Type": "Pass"})
        longest += " " * ((1 << 20) - len(longest))
        arn = self.create(definition=longest)
        self.assertEqual(self.aws.describe_state_machine(stateMachineArn=arn)["definition"], longest)
        message = "1 validation error detected: Value at 'definition' failed to satisfy constraint: Member must have length less than or equal to 1048576"
        named = {"name": self.name, "definition": longest + " ", "roleArn": ROLE}
        self.refused("ValidationException", self.aws.create_state_machine, message=message, **named)
        self.refused("ValidationException", self.aws.validate_state_machine_definition, message=message, definition=longest + " ")

    def test_inputs_and_outputs(self):
        arn = self.create(PASS)
        longest = json.dumps("x" * 262_142)
        self.assertEqual(self.ended(self.aws.start_execution(stateMachineArn=arn, input=longest)["executionArn"])["output"], longest)
        message = "1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length less than or equal to 262144"
        for text in [json.dumps("x" * 262_143), json.dumps("é" * 131_072, ensure_ascii=False), json.dumps("x" * 10_000_000)]:
            self.refused("ValidationException", self.aws.start_execution, message=message, stateMachineArn=arn, input=text)

    def test_a_state_that_makes_too_much(self):
        double = {"Type": "Pass", "Parameters": {"x.$": "$", "y.$": "$"}}
        found = self.run_once(double, double, value="x" * 130_000)
        self.assertEqual((found["status"], found["error"]), ("FAILED", "States.DataLimitExceeded"))
        self.assertIn("size exceeding the maximum number of bytes service limit", found["cause"])

    def test_a_history_that_gets_too_long(self):
        loop = {"Type": "Pass", "Next": "A"}
        end = {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 1, "Next": "C"}], "Default": "A"}
        found = self.run_once(loop | {"Next": "B"}, end, {"Type": "Succeed"}, value=0)
        self.assertEqual((found["status"], found["error"]), ("FAILED", "States.Runtime"))
        self.assertIn("25000", found["cause"])


class Requests(Case):
    """What no client of AWS sends."""

    def post(self, body, target="AWSStepFunctions.ListStateMachines"):
        request = urllib.request.Request(URL, data=body, headers={"X-Amz-Target": target}, method="POST")
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def test_bodies_that_are_none(self):
        for body in [b"{", b"[]", b"1", b"\xff\xfe", b'{"maxResults": "7"}', b'{"nextToken": {}}', b"[" * 100_000]:
            status, answer = self.post(body)
            self.assertEqual((status, answer["__type"]), (400, "SerializationException"), body[:20])
            self.assertTrue(answer["message"])
        self.assertEqual(self.post(b"")[0], 200)
        self.assertEqual(self.post(b'{"nextToken": null, "unknown": 1}')[0], 200)

    def test_actions_that_are_none(self):
        for target in ["AWSStepFunctions.Nonsense", "AWSStepFunctions.", "DynamoDB_20120810.ListTables", ""]:
            status, answer = self.post(b"{}", target)
            self.assertEqual((status, answer["__type"]), (400, "UnknownOperationException"))

    def test_a_body_that_is_too_large(self):
        status, answer = self.post(b" " * ((16 << 20) + 1))
        self.assertEqual((status, answer["__type"]), (413, "RequestEntityTooLargeException"))

    def test_definitions_that_are_deep(self):
        for definition in ["[" * 100_000, '{"a":' * 50_000, machine({"Type": "Pass", "Result": json.loads("[" * 400 + "]" * 400)})]:
            named = {"name": self.name, "definition": definition, "roleArn": ROLE}
            self.refused("InvalidDefinition", self.aws.create_state_machine, **named)
        self.refused("InvalidExecutionInput", self.aws.start_execution, stateMachineArn=self.create(PASS), input="[" * 100_000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
