"""Executions: started, stopped, taken up again, described, listed, and their histories. Run by step_functions.rs."""

import json
import unittest
import uuid

from states_client import FAIL, FOREVER, PASS, Case, client, machine

MACHINE = "arn:aws:states:us-east-1:111111111111:stateMachine:nothing"
EXECUTION = "arn:aws:states:us-east-1:111111111111:execution:nothing:e"


class Executions(Case):
    def test_one_that_succeeds(self):
        arn = self.create({"Type": "Pass", "Result": {"b": "ü"}})
        execution = self.start(arn, {"a": 1}, name="e1", traceHeader="Root=1")
        self.assertEqual(execution, arn.replace("stateMachine", "execution") + ":e1")
        found = self.ended(execution)
        self.assertEqual((found["executionArn"], found["stateMachineArn"], found["name"]), (execution, arn, "e1"))
        self.assertEqual((json.loads(found["input"]), json.loads(found["output"])), ({"a": 1}, {"b": "ü"}))
        self.assertEqual((found["status"], found["redriveStatus"]), ("SUCCEEDED", "NOT_REDRIVABLE"))
        self.assertEqual(found["redriveStatusReason"], "Execution is SUCCEEDED and cannot be redriven")
        self.assertLessEqual(found["startDate"], found["stopDate"])
        metadata = self.aws.describe_execution(executionArn=execution, includedData="METADATA_ONLY")
        self.assertFalse({"input", "output"} & set(metadata))

    def test_those_that_do_not(self):
        found = self.run_once(FAIL)
        self.assertEqual((found["status"], found["error"], found["cause"]), ("FAILED", "Mine", "because"))
        self.assertNotIn("output", found)
        slow = self.create(name=self.name + "t", definition=machine(FOREVER, TimeoutSeconds=1))
        found = self.ended(self.start(slow))
        self.assertEqual((found["status"], found.get("error")), ("TIMED_OUT", "States.Timeout"))

    def test_the_same_again_is_no_other(self):
        arn = self.create(FOREVER)
        first = self.start(arn, {"a": 1}, name="e")
        self.assertEqual(self.start(arn, {"a": 1}, name="e"), first)
        self.aws.update_state_machine(stateMachineArn=arn, definition=machine(PASS))
        self.assertEqual(self.start(arn, {"a": 1}, name="e"), first)
        start, message = self.aws.start_execution, f"Execution Already Exists: '{first}'"
        again = {"stateMachineArn": arn, "name": "e", "message": message}
        self.refused("ExecutionAlreadyExists", start, input='{"a": 2}', **again)
        self.aws.stop_execution(executionArn=first)
        self.refused("ExecutionAlreadyExists", start, input='{"a": 1}', **again)

    def test_what_cannot_be_started(self):
        arn, start = self.create(PASS), self.aws.start_execution
        self.refused("StateMachineDoesNotExist", start, stateMachineArn=MACHINE)
        self.refused("InvalidArn", start, stateMachineArn="nonsense")
        self.refused("InvalidName", start, stateMachineArn=arn, name="a b")
        message = "Invalid State Machine Execution Input: 'Invalid execution input.'"
        self.refused("InvalidExecutionInput", start, message=message, stateMachineArn=arn, input="")
        for text in ["not json", "{'a': 1}", "{} {}"]:
            self.refused("InvalidExecutionInput", start, stateMachineArn=arn, input=text)
        for text in ["2", '"text"', "null"]:
            self.assertEqual(self.ended(start(stateMachineArn=arn, input=text)["executionArn"])["output"], text)

    def test_one_that_is_stopped(self):
        arn = self.create(FOREVER)
        execution = self.start(arn)
        stopped = self.aws.stop_execution(executionArn=execution, error="Mine", cause="because")
        found = self.ended(execution)
        self.assertEqual((found["status"], found["error"], found["cause"]), ("ABORTED", "Mine", "because"))
        self.assertEqual(found["stopDate"], stopped["stopDate"])
        self.assertEqual(self.aws.stop_execution(executionArn=execution)["stopDate"], stopped["stopDate"])
        bare = self.start(arn)
        self.aws.stop_execution(executionArn=bare)
        self.assertNotIn("error", self.ended(bare))

    def test_one_that_is_taken_up_again(self):
        first = {"Type": "Pass", "Result": 1, "ResultPath": "$.first"}
        arn = self.create(first, {"Type": "Pass", "InputPath": "$.missing"})
        execution = self.start(arn, {})
        found = self.ended(execution)
        self.assertEqual((found["status"], found["redriveStatus"], found["redriveCount"]), ("FAILED", "REDRIVABLE", 0))
        self.aws.redrive_execution(executionArn=execution)
        found = self.ended(execution)
        self.assertEqual((found["status"], found["redriveCount"]), ("FAILED", 1))
        self.assertLessEqual(found["redriveDate"], found["stopDate"])
        types = [event["type"] for event in self.aws.get_execution_history(executionArn=execution)["events"]]
        self.assertEqual(types.count("ExecutionRedriven"), 1)
        self.assertEqual(types.count("PassStateExited"), 1, "what succeeded is not done again")
        by = lambda redriven: self.aws.list_executions(stateMachineArn=arn, redriveFilter=redriven)["executions"]
        self.assertEqual([len(by(filter)) for filter in ("REDRIVEN", "NOT_REDRIVEN")], [1, 0])
        done = self.start(self.create(PASS, name=self.name + "d"))
        self.ended(done)
        self.refused("ExecutionNotRedrivable", self.aws.redrive_execution, executionArn=done)

    def test_a_list_has_pages_and_filters(self):
        choice = {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 2, "Next": "B"}], "Default": "C"}
        arn = self.create(choice, {"Type": "Fail"}, {"Type": "Succeed"})
        started = [self.start(arn, value) for value in (1, 2, 3)]
        for execution in started:
            self.ended(execution)
        listed = lambda **by: [
            e["executionArn"] for e in self.pages(self.aws.list_executions, "executions", stateMachineArn=arn, **by)
        ]
        self.assertEqual(listed(), started[::-1])
        self.assertEqual(listed(statusFilter="SUCCEEDED"), [started[2], started[0]])
        self.assertEqual(listed(statusFilter="FAILED"), [started[1]])
        for none in ["RUNNING", "ABORTED", "TIMED_OUT"]:
            self.assertEqual(listed(statusFilter=none), [])
        both = {"stateMachineArn": arn, "mapRunArn": arn}
        for wrong in [{}, both, {"stateMachineArn": arn, "statusFilter": "PENDING_REDRIVE"}]:
            self.refused("ValidationException", self.aws.list_executions, **wrong)
        self.refused("InvalidToken", self.aws.list_executions, stateMachineArn=arn, nextToken="nonsense")

    def test_what_is_not_there(self):
        for call in [
            self.aws.describe_execution,
            self.aws.describe_state_machine_for_execution,
            self.aws.get_execution_history,
            self.aws.stop_execution,
            self.aws.redrive_execution,
            self.aws.list_map_runs,
        ]:
            message = f"Execution Does Not Exist: '{EXECUTION}'"
            self.refused("ExecutionDoesNotExist", call, message=message, executionArn=EXECUTION)
            self.refused("InvalidArn", call, message="Invalid Arn: 'Invalid ARN prefix: x'", executionArn="x")
            self.refused("InvalidArn", call, executionArn=MACHINE)


class Express(Case):
    def sync(self, arn, **more):
        return self.aws.start_sync_execution(stateMachineArn=arn, **more)

    def test_the_caller_hears_how_it_ended(self):
        arn = self.create(PASS, type="EXPRESS")
        found = self.sync(arn, name="e", input='{"a": 1}', traceHeader="Root=1")
        self.assertEqual((found["status"], found["output"], found["name"]), ("SUCCEEDED", '{"a":1}', "e"))
        self.assertTrue(found["executionArn"].startswith(arn.replace("stateMachine", "express") + ":e:"))
        self.assertEqual(found["billingDetails"]["billedMemoryUsedInMB"], 64)
        metadata = self.sync(arn, name="e", includedData="METADATA_ONLY")
        self.assertFalse({"input", "output"} & set(metadata))
        self.assertNotEqual(metadata["executionArn"], found["executionArn"], "a name may be used again")
        failed = self.sync(self.create(FAIL, name=self.name + "f", type="EXPRESS"))
        self.assertEqual((failed["status"], failed["error"], failed["cause"]), ("FAILED", "Mine", "because"))
        timeout = self.create(name=self.name + "t", definition=machine(FOREVER, TimeoutSeconds=1), type="EXPRESS")
        self.assertEqual(self.sync(timeout)["status"], "TIMED_OUT")

    def test_a_version_is_asked_for(self):
        arn = self.create(PASS, type="EXPRESS", publish=True)
        self.aws.update_state_machine(stateMachineArn=arn, definition=machine(FAIL))
        self.assertEqual([self.sync(by)["status"] for by in (arn, arn + ":1")], ["FAILED", "SUCCEEDED"])

    def test_others_can_only_be_started(self):
        standard, express = self.create(PASS), self.create(PASS, name=self.name + "x", type="EXPRESS")
        message = "This operation is not supported by this type of state machine"
        sync, unsupported = self.aws.start_sync_execution, "StateMachineTypeNotSupported"
        self.refused(unsupported, sync, message=message, stateMachineArn=standard)
        self.refused(unsupported, self.aws.list_executions, message=message, stateMachineArn=express)
        self.refused("StateMachineDoesNotExist", sync, stateMachineArn=MACHINE)
        self.refused("InvalidExecutionInput", sync, stateMachineArn=express, input="{")
        execution = self.start(express, {"a": 1}, name="e")
        self.assertEqual(self.ended(execution)["output"], '{"a":1}')
        self.assertNotEqual(self.start(express, {"a": 2}, name="e"), execution)
        message = "Invalid Arn: 'Resource type not valid in this context: express'"
        for call in [self.aws.stop_execution, self.aws.get_execution_history, self.aws.redrive_execution]:
            self.refused("InvalidArn", call, message=message, executionArn=execution)

    def test_hosts_with_the_prefix_of_aws_are_one_server(self):
        def redirected(request, **_):
            self.assertTrue(request.url.startswith("http://sync-"), request.url)
            request.headers["Host"] = request.url.split("/")[2]
            request.url = request.url.replace("http://sync-", "http://", 1)

        prefixed = client(inject_host_prefix=True)
        prefixed.meta.events.register("before-send.sfn", lambda request, **_: redirected(request))
        arn = self.create(PASS, type="EXPRESS")
        self.assertEqual(prefixed.start_sync_execution(stateMachineArn=arn)["status"], "SUCCEEDED")


class History(Case):
    def events(self, execution, **more):
        return self.pages(self.aws.get_execution_history, "events", executionArn=execution, **more)

    def test_forward_backward_and_in_pages(self):
        execution = self.start(self.create(PASS, {"Type": "Pass", "Result": 2}), {"a": 1})
        self.ended(execution)
        events = self.events(execution)
        kinds = ["ExecutionStarted", "PassStateEntered", "PassStateExited", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]  # fmt: skip
        self.assertEqual([event["type"] for event in events], kinds)
        self.assertEqual([event["id"] for event in events], [1, 2, 3, 4, 5, 6])
        self.assertEqual([event["previousEventId"] for event in events], [0, 0, 2, 3, 4, 5])
        self.assertEqual(self.events(execution, reverseOrder=True), events[::-1])
        self.assertEqual(self.aws.get_execution_history(executionArn=execution)["events"], events)
        self.assertEqual(events[0]["executionStartedEventDetails"]["input"], '{"a":1}')
        self.assertEqual(events[-1]["executionSucceededEventDetails"]["output"], "2")
        history = self.aws.get_execution_history
        self.refused("InvalidToken", history, executionArn=execution, nextToken="nonsense")

    def test_without_data(self):
        execution = self.start(self.create(PASS), {"a": 1})
        self.ended(execution)
        for event in self.events(execution, includeExecutionData=False):
            for name, details in event.items():
                if name.endswith("EventDetails"):
                    self.assertFalse({"input", "output"} & set(details), event)

    def test_what_ended_otherwise(self):
        failed = self.start(self.create(FAIL))
        self.ended(failed)
        self.assertEqual(self.events(failed)[-1]["executionFailedEventDetails"], {"error": "Mine", "cause": "because"})
        stopped = self.start(self.create(FOREVER, name=self.name + "s"))
        self.aws.stop_execution(executionArn=stopped)
        self.assertEqual(self.events(stopped)[-1]["type"], "ExecutionAborted")


class Nested(Case):
    def test_one_starts_another_and_waits_for_it(self):
        inner = self.create(PASS)
        for wait, output in [("", None), (".sync", '{"a":1}'), (".sync:2", {"a": 1})]:
            parameters = {"StateMachineArn": inner, "Name": f"n-{uuid.uuid4().hex}", "Input": {"a": 1}}
            task = {"Type": "Task", "Resource": f"arn:aws:states:::states:startExecution{wait}", "Parameters": parameters}
            outer = self.create(task, name=f"{self.name}{wait.replace(':', '').replace('.', '-')}-o")
            found = self.ended(self.start(outer))
            self.assertEqual(found["status"], "SUCCEEDED", found)
            answer = json.loads(found["output"])
            self.assertEqual(answer.get("Output"), output)
            self.assertEqual(self.ended(answer["ExecutionArn"])["status"], "SUCCEEDED")

    def test_the_sdk_starts_one_under_a_uuid(self):
        inner = self.create(PASS)
        sdk = "arn:aws:states:::aws-sdk:sfn:startExecution"
        task = {"Type": "Task", "Resource": sdk, "Parameters": {"StateMachineArn": inner, "Input": '{"a":1}'}}
        found = self.ended(self.start(self.create(task, name=self.name + "-o")))
        self.assertEqual(found["status"], "SUCCEEDED", found)
        answer = json.loads(found["output"])
        self.assertIsInstance(answer["StartDate"], float)
        started = self.ended(answer["ExecutionArn"])
        self.assertEqual((started["status"], started["output"]), ("SUCCEEDED", '{"a":1}'))
        self.assertEqual(uuid.UUID(started["name"]).version, 4)
        wrong = task | {"Parameters": {"StateMachineArn": inner, "Input": 1}}
        found = self.ended(self.start(self.create(wrong, name=self.name + "-w")))
        self.assertEqual((found["status"], found["error"]), ("FAILED", "Sfn.SerializationException"))

    def test_a_machine_that_starts_itself_ends(self):
        arn = f"arn:aws:states:us-east-1:111111111111:stateMachine:{self.name}"
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync",
            "Parameters": {"StateMachineArn": arn},
        }
        found = self.ended(self.start(self.create(task)))
        self.assertEqual(found["status"], "FAILED", found)
        executions = self.aws.list_executions(stateMachineArn=arn, maxResults=1000)["executions"]
        self.assertEqual({e["status"] for e in executions}, {"FAILED"})
        self.assertLessEqual(len(executions), 101)


if __name__ == "__main__":
    unittest.main(verbosity=2)
