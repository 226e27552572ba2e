"""TestState: one state on its own. Run by step_functions.rs."""

import json
import unittest

from states_client import PASS, Case, machine

TASK = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": {"x.$": "$.a"}, "Next": "Then"}


class Trials(Case):
    def trial(self, state, value=None, **more):
        given = {} if value is None else {"input": json.dumps(value)}
        for name in ("variables", "context"):
            if name in more:
                more[name] = json.dumps(more[name])
        return self.aws.test_state(definition=json.dumps(state), **given, **more)

    def test_states_that_need_no_work(self):
        for state, value, wanted in [
            ({"Type": "Pass", "Parameters": {"b.$": "$.a"}, "Next": "Then"}, {"a": 1}, ({"b": 1}, "Then")),
            ({"Type": "Succeed"}, {"a": 1}, ({"a": 1}, None)),
            ({"Type": "Wait", "Seconds": 60, "Next": "Then"}, {}, ({}, "Then")),
            ({"Type": "Choice", "Choices": [{"Variable": "$", "IsPresent": True, "Next": "Yes"}]}, 1, (1, "Yes")),
        ]:
            found = self.trial(state, value)
            self.assertEqual(found["status"], "SUCCEEDED")
            self.assertEqual((json.loads(found["output"]), found.get("nextState")), wanted)
            self.assertNotIn("inspectionData", found)
        failed = self.trial({"Type": "Fail", "Error": "Mine", "Cause": "because"})
        self.assertEqual((failed["status"], failed["error"], failed["cause"]), ("FAILED", "Mine", "because"))

    def test_the_way_of_the_data_is_shown(self):
        state = TASK | {"InputPath": "$.in", "ResultSelector": {"s.$": "$.r"}, "ResultPath": "$.out"}
        found = self.trial(state, {"in": {"a": 1}}, mock={"result": '{"r": 2}', "fieldValidationMode": "NONE"}, inspectionLevel="DEBUG")
        data = {name: json.loads(value) for name, value in found["inspectionData"].items()}
        wanted = {
            "input": {"in": {"a": 1}},
            "afterInputPath": {"a": 1},
            "afterParameters": {"x": 1},
            "result": {"r": 2},
            "afterResultSelector": {"s": 2},
            "afterResultPath": {"in": {"a": 1}, "out": {"s": 2}},
        }
        self.assertEqual({name: data.get(name) for name in wanted}, wanted)
        jsonata = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $v + 1 %}", "Assign": {"w": 2}, "End": True}
        found = self.trial(jsonata, variables={"v": 1}, inspectionLevel="TRACE")
        self.assertEqual(found["output"], "2")
        self.assertEqual(json.loads(found["inspectionData"]["variables"]), {"v": 1, "w": 2})

    def test_errors_are_caught_or_tried_again(self):
        retry = {"Retry": [{"ErrorEquals": ["Mine"], "IntervalSeconds": 3, "BackoffRate": 2, "MaxAttempts": 2}]}
        catch = {"Catch": [{"ErrorEquals": ["Other"], "Next": "O"}, {"ErrorEquals": ["States.ALL"], "Next": "Caught"}]}
        mock = {"errorOutput": {"error": "Mine", "cause": "because"}}
        asked = {"value": {"a": 1}, "mock": mock, "inspectionLevel": "DEBUG"}
        for count, wait in [(0, 3), (1, 6)]:
            found = self.trial(TASK | retry, **asked, stateConfiguration={"retrierRetryCount": count})
            self.assertEqual((found["status"], found["error"], found["cause"]), ("RETRIABLE", "Mine", "because"))
            details = {"retryIndex": 0, "retryBackoffIntervalSeconds": wait}
            self.assertEqual(found["inspectionData"]["errorDetails"], details)
        found = self.trial(TASK | retry | catch, **asked, stateConfiguration={"retrierRetryCount": 2})
        self.assertEqual((found["status"], found["nextState"]), ("CAUGHT_ERROR", "Caught"))
        self.assertEqual(json.loads(found["output"]), {"Error": "Mine", "Cause": "because"})
        self.assertEqual(found["inspectionData"]["errorDetails"], {"catchIndex": 1})
        self.assertEqual(self.trial(TASK, **asked)["status"], "FAILED")

    def test_a_state_of_a_machine(self):
        definition = machine(PASS, TASK | {"Next": "C"}, {"Type": "Succeed"})
        request = {"definition": definition, "stateName": "B", "input": '{"a": 1}', "mock": {"result": "{}"}}
        found = self.aws.test_state(**request, context='{"Execution": {"Id": "x"}}')
        self.assertEqual((found["status"], found["nextState"]), ("SUCCEEDED", "C"))
        self.refused("ValidationException", self.aws.test_state, **(request | {"stateName": "Z"}))

    def test_blocks_have_mocks(self):
        inner, other = (json.loads(machine(PASS, names=name)) for name in "XY")
        map_state = {"Type": "Map", "ItemProcessor": inner, "End": True}
        parallel = {"Type": "Parallel", "Branches": [inner, other], "End": True}
        self.assertEqual(self.trial(map_state, [1], mock={"result": "[2]"})["output"], "[2]")
        self.assertEqual(self.trial(parallel, {}, mock={"result": "[1,2]"})["output"], "[1,2]")
        message = "TestState API does not support Map or Parallel states. Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]"
        for state in (map_state, parallel):
            definition = json.dumps(state)
            self.refused("InvalidDefinition", self.aws.test_state, message=message, definition=definition, input="[]")

    def test_mocks_that_cannot_be(self):
        inner, other = (json.loads(machine(PASS, names=name)) for name in "XY")
        parallel = {"Type": "Parallel", "Branches": [inner, other], "End": True}
        both = {"result": "{}", "errorOutput": {"error": "x"}}
        for state, more, message in [
            (PASS | {"End": True}, {"mock": {"result": "{}"}}, "State type 'Pass' is not supported when a mock is specified"),
            (TASK, {"mock": both}, "A test mock should have only one of the following fields: [result, errorOutput]."),
            (TASK, {"mock": {"result": "{}"}, "revealSecrets": True}, "TestState does not support RevealSecrets when a mock is specified."),
            (parallel, {"mock": {"result": "{}"}}, "Mocked result must be an array."),
            (parallel, {"mock": {"result": "[1]"}}, "Mocked result must contain the same number of items as number of Parallel branches."),
            (TASK, {"mock": {"result": "{"}}, None),
            (TASK, {"context": "{}"}, None),
        ]:  # fmt: skip
            named = {"definition": json.dumps(state), "input": "{}", **more}
            self.refused("ValidationException", self.aws.test_state, message=message, **named)

    def test_what_is_no_state_and_no_input(self):
        for definition in ["{", "[]", '{"Type": "Nap"}', '{"Type": "Pass", "Next": 1}']:
            self.refused("InvalidDefinition", self.aws.test_state, definition=definition)
        self.refused("InvalidExecutionInput", self.aws.test_state, definition='{"Type": "Succeed"}', input="{")


if __name__ == "__main__":
    unittest.main(verbosity=2)
