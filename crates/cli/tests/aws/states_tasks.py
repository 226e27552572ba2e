"""Activities, task tokens and map runs. Run by step_functions.rs."""

import json
import unittest

from states_client import FOREVER, PASS, Case, machine


class Activities(Case):
    def setUp(self):
        super().setUp()
        self.activity = self.aws.create_activity(name=self.name)["activityArn"]
        self.task = {"Type": "Task", "Resource": self.activity}

    def begun(self, value=None, **fields):
        """An execution whose task is waiting, and that task as a worker gets it."""
        execution = self.start(self.create(self.task | fields), value)
        return execution, self.aws.get_activity_task(activityArn=self.activity, workerName="w")

    def kinds(self, execution):
        return [event["type"] for event in self.aws.get_execution_history(executionArn=execution)["events"]]

    def test_one_is_created_described_listed_and_deleted(self):
        found = self.aws.describe_activity(activityArn=self.activity)
        again = self.aws.create_activity(name=self.name, tags=[{"key": "a", "value": "b"}])
        self.assertEqual((found["name"], again["activityArn"]), (self.name, self.activity))
        self.assertEqual(again["creationDate"], found["creationDate"])
        key = {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": "k"}
        create = self.aws.create_activity
        self.refused("ActivityAlreadyExists", create, name=self.name, encryptionConfiguration=key)
        self.refused("InvalidName", create, message="Invalid Name: 'a b$'", name="a b$")
        for n in range(3):
            create(name=f"{self.name}-{n}")
        arns = [a["activityArn"] for a in self.pages(self.aws.list_activities, "activities")]
        self.assertEqual(len(arns), len(set(arns)))
        self.assertLessEqual({self.activity, f"{self.activity}-2"}, set(arns))
        for _ in range(2):
            self.aws.delete_activity(activityArn=self.activity)
        message = f"Activity Does Not Exist: '{self.activity}'"
        for call in [self.aws.describe_activity, self.aws.get_activity_task]:
            self.refused("ActivityDoesNotExist", call, message=message, activityArn=self.activity)
            self.refused("InvalidArn", call, activityArn="nonsense")
        self.refused("InvalidArn", self.aws.delete_activity, activityArn="nonsense")

    def test_a_task_is_done(self):
        execution, task = self.begun({"a": 1})
        self.assertEqual(json.loads(task["input"]), {"a": 1})
        self.aws.send_task_heartbeat(taskToken=task["taskToken"])
        self.aws.send_task_success(taskToken=task["taskToken"], output='{"b": 2}')
        self.assertEqual(json.loads(self.ended(execution)["output"]), {"b": 2})
        scheduled = ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]
        self.assertEqual(self.kinds(execution), ["ExecutionStarted", "TaskStateEntered", *scheduled, "TaskStateExited", "ExecutionSucceeded"])  # fmt: skip
        message = "Task Timed Out: 'Provided task does not exist anymore'"
        for call, more in [
            (self.aws.send_task_success, {"output": "1"}),
            (self.aws.send_task_failure, {}),
            (self.aws.send_task_heartbeat, {}),
        ]:
            self.refused("TaskTimedOut", call, message=message, taskToken=task["taskToken"], **more)

    def test_a_task_fails(self):
        execution, task = self.begun()
        self.aws.send_task_failure(taskToken=task["taskToken"], error="Mine", cause="because")
        found = self.ended(execution)
        self.assertEqual((found["status"], found["error"], found["cause"]), ("FAILED", "Mine", "because"))

    def test_a_failure_is_caught_or_tried_again(self):
        fields = {"Retry": [{"ErrorEquals": ["Mine"], "IntervalSeconds": 1, "MaxAttempts": 1}]}
        execution, task = self.begun(**fields)
        for _ in range(2):
            self.aws.send_task_failure(taskToken=task["taskToken"], error="Mine")
            if self.aws.describe_execution(executionArn=execution)["status"] == "RUNNING":
                task = self.aws.get_activity_task(activityArn=self.activity)
        self.assertEqual(self.ended(execution)["status"], "FAILED")
        self.assertEqual(self.kinds(execution).count("ActivityFailed"), 2)

    def test_a_task_that_is_not_done_in_time(self):
        for fields in [{"TimeoutSeconds": 1}, {"HeartbeatSeconds": 1, "TimeoutSeconds": 60}]:
            self.name += "t"
            execution, task = self.begun(**fields)
            found = self.ended(execution)
            self.assertEqual((found["status"], found["error"]), ("FAILED", "States.Timeout"))
            self.assertIn("ActivityTimedOut", self.kinds(execution))
            self.refused("TaskTimedOut", self.aws.send_task_heartbeat, taskToken=task["taskToken"])

    def test_what_is_no_token_and_no_output(self):
        for call, more in [
            (self.aws.send_task_success, {"output": "1"}),
            (self.aws.send_task_failure, {"error": "x"}),
            (self.aws.send_task_heartbeat, {}),
        ]:
            self.refused("InvalidToken", call, taskToken="nonsense", **more)
        _, task = self.begun()
        self.refused("InvalidOutput", self.aws.send_task_success, taskToken=task["taskToken"], output="{")

    def test_a_stopped_execution_takes_its_task_along(self):
        execution, task = self.begun()
        self.aws.stop_execution(executionArn=execution)
        self.refused("TaskTimedOut", self.aws.send_task_heartbeat, taskToken=task["taskToken"])

    def test_a_token_is_passed_on(self):
        inner = self.create(self.task, name=self.name + "-inner")
        parameters = {"StateMachineArn": inner, "Input": {"token.$": "$$.Task.Token"}}
        resource = "arn:aws:states:::states:startExecution.waitForTaskToken"
        execution = self.start(self.create({"Type": "Task", "Resource": resource, "Parameters": parameters}))
        task = self.aws.get_activity_task(activityArn=self.activity)
        self.aws.send_task_success(taskToken=json.loads(task["input"])["token"], output='"done"')
        self.assertEqual(self.ended(execution)["output"], '"done"')

    def test_a_name_is_given_once(self):
        inner = self.create(PASS, name=self.name + "-inner")
        for form in ("", ".sync", ".sync:2"):
            once = {"StateMachineArn": inner, "Name": "once" + form.replace(":", "").replace(".", "-")}
            task = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution" + form, "Parameters": once}
            outer = self.create(task, name=self.name + once["Name"])
            self.assertEqual(self.ended(self.start(outer))["status"], "SUCCEEDED")
            again = self.ended(self.start(outer))
            self.assertEqual((again["status"], again["error"]), ("FAILED", "StepFunctions.ExecutionAlreadyExistsException"))
            self.assertIn("Execution Already Exists", again["cause"])


class MapRuns(Case):
    def distributed(self, *states, **fields):
        processor = json.loads(machine(*states, names="XYZ")) | {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
        return {"Type": "Map", "Label": "Each", "ItemProcessor": processor} | fields

    def map_run(self, execution):
        (found,) = self.aws.list_map_runs(executionArn=execution)["mapRuns"]
        return found

    def test_one_that_has_ended(self):
        arn = self.create(self.distributed(PASS))
        execution = self.start(arn, [1, 2, 3])
        self.assertEqual(self.ended(execution)["output"], "[1,2,3]")
        line = self.map_run(execution)
        self.assertEqual((line["executionArn"], line["stateMachineArn"]), (execution, arn + "/Each"))
        found = self.aws.describe_map_run(mapRunArn=line["mapRunArn"])
        self.assertEqual((found["status"], found["executionArn"]), ("SUCCEEDED", execution))
        for counts in (found["itemCounts"], found["executionCounts"]):
            self.assertEqual((counts["succeeded"], counts["failed"], counts["total"]), (3, 0, 3))
        children = self.pages(self.aws.list_executions, "executions", mapRunArn=line["mapRunArn"])
        self.assertEqual([child["status"] for child in children], ["SUCCEEDED"] * 3)
        child = self.aws.describe_execution(executionArn=children[-1]["executionArn"])
        self.assertEqual((child["input"], child["output"], child["mapRunArn"]), ("1", "1", line["mapRunArn"]))
        events = self.aws.get_execution_history(executionArn=child["executionArn"])["events"]
        self.assertEqual([event["type"] for event in events], ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"])  # fmt: skip
        of_child = self.aws.describe_state_machine_for_execution(executionArn=child["executionArn"])
        self.assertEqual((of_child["mapRunArn"], of_child["label"]), (line["mapRunArn"], "Each"))
        update = self.aws.update_map_run
        answer = self.refused("ValidationException", update, mapRunArn=line["mapRunArn"], maxConcurrency=1)
        self.assertEqual(answer["reason"], "CANNOT_UPDATE_COMPLETED_MAP_RUN")

    def test_one_that_goes_on_can_be_changed(self):
        execution = self.start(self.create(self.distributed(FOREVER, MaxConcurrency=1)), [1, 2])
        arn = self.map_run(execution)["mapRunArn"]
        before = self.aws.describe_map_run(mapRunArn=arn)
        self.assertEqual((before["status"], before["maxConcurrency"]), ("RUNNING", 1))
        change = {"maxConcurrency": 2, "toleratedFailureCount": 1, "toleratedFailurePercentage": 50.0}
        self.aws.update_map_run(mapRunArn=arn, **change)
        after = self.aws.describe_map_run(mapRunArn=arn)
        self.assertEqual({name: after[name] for name in change}, change)
        self.assertEqual(after["itemCounts"]["running"], 2)
        answer = self.refused("ValidationException", self.aws.update_map_run, mapRunArn=arn)
        self.assertEqual(answer["reason"], "MISSING_REQUIRED_PARAMETER")
        self.aws.stop_execution(executionArn=execution)
        stopped = self.aws.describe_map_run(mapRunArn=arn)
        self.assertEqual((stopped["status"], stopped["itemCounts"]["aborted"]), ("ABORTED", 2))

    def test_failures_are_taken_up_again(self):
        check = {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 2, "Next": "Y"}], "Default": "Z"}
        arn = self.create(self.distributed(check, {"Type": "Fail", "Error": "Two"}, {"Type": "Succeed"}))
        execution = self.start(arn, [1, 2])
        self.assertEqual(self.ended(execution)["error"], "States.ExceedToleratedFailureThreshold")
        map_run = self.map_run(execution)["mapRunArn"]
        failed = self.aws.list_executions(mapRunArn=map_run, statusFilter="FAILED")["executions"]
        self.assertEqual(len(failed), 1)
        found = self.aws.describe_execution(executionArn=failed[0]["executionArn"])
        self.assertEqual((found["error"], found["redriveStatus"]), ("Two", "REDRIVABLE_BY_MAP_RUN"))
        self.aws.redrive_execution(executionArn=execution)
        self.ended(execution)
        found = self.aws.describe_map_run(mapRunArn=map_run)
        self.assertEqual((found["status"], found["redriveCount"], found["itemCounts"]["failed"]), ("FAILED", 1, 1))

    def test_what_is_not_there(self):
        execution = self.start(self.create(PASS))
        self.assertEqual(self.aws.list_map_runs(executionArn=execution)["mapRuns"], [])
        missing = execution.replace(":execution:", ":mapRun:").replace(f"{self.name}:", f"{self.name}/Each:")
        for call, more in [(self.aws.describe_map_run, {}), (self.aws.update_map_run, {"maxConcurrency": 1})]:
            self.refused("ResourceNotFound", call, mapRunArn=missing, **more)
            self.refused("InvalidArn", call, mapRunArn="nonsense", **more)
        self.refused("ResourceNotFound", self.aws.list_executions, mapRunArn=missing)


if __name__ == "__main__":
    unittest.main(verbosity=2)
