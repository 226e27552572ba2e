"""State machines: created, changed, described, listed, deleted, tagged. Run by step_functions.rs."""

import json
import unittest

from states_client import FAIL, FOREVER, PASS, ROLE, Case, machine

MISSING = "arn:aws:states:us-east-1:111111111111:stateMachine:nothing"
GROUP = {"cloudWatchLogsLogGroup": {"logGroupArn": "arn:aws:logs:us-east-1:111111111111:log-group:g:*"}}
LEVEL = {"level": "ALL", "includeExecutionData": True, "destinations": [GROUP]}


class Machines(Case):
    def test_one_is_described_as_it_was_created(self):
        arn = self.create(PASS, loggingConfiguration=LEVEL, tracingConfiguration={"enabled": True})
        found = self.aws.describe_state_machine(stateMachineArn=arn)
        self.assertEqual((found["name"], found["definition"]), (self.name, machine(PASS)))
        self.assertEqual((found["status"], found["type"], found["roleArn"]), ("ACTIVE", "STANDARD", ROLE))
        self.assertEqual((found["loggingConfiguration"], found["tracingConfiguration"]), (LEVEL, {"enabled": True}))
        self.assertNotIn("revisionId", found)
        found = self.aws.describe_state_machine(stateMachineArn=arn, includedData="METADATA_ONLY")
        self.assertNotIn("Pass", found["definition"])

    def test_variables_are_told_by_state(self):
        set_and_use = {"Type": "Pass", "Assign": {"x": 1}}, {"Type": "Pass", "Parameters": {"y.$": "$x"}}
        found = self.aws.describe_state_machine(stateMachineArn=self.create(*set_and_use))
        self.assertEqual(found["variableReferences"], {"B": ["x"]})

    def test_the_same_again_is_no_other(self):
        settings = {"publish": True, "versionDescription": "first"}
        first = self.create(PASS, **settings)
        request = {"name": self.name, "definition": machine(PASS), "roleArn": ROLE + "2", **settings}
        again = self.aws.create_state_machine(**request, tags=[{"key": "a", "value": "b"}])
        self.assertEqual((again["stateMachineArn"], again["stateMachineVersionArn"]), (first, first + ":1"))
        self.assertEqual(self.aws.describe_state_machine(stateMachineArn=first)["roleArn"], ROLE)
        create, message = self.aws.create_state_machine, f"State Machine Already Exists: '{first}'"
        for other in [
            {"definition": machine(PASS, PASS)},
            {"definition": machine(PASS) + " "},
            {"type": "EXPRESS"},
            {"loggingConfiguration": LEVEL},
            {"tracingConfiguration": {"enabled": True}},
            {"versionDescription": "second"},
        ]:
            self.refused("StateMachineAlreadyExists", create, message=message, **(request | other))

    def test_what_cannot_be_one(self):
        good = {"name": self.name, "definition": machine(PASS), "roleArn": ROLE}
        one = "Invalid Logging Configuration: Must specify exactly one Log Destination."
        for code, wrong, message in [
            ("InvalidName", {"name": "a b"}, "Invalid Name: 'a b'"),
            ("InvalidArn", {"roleArn": "nobody"}, "Invalid Arn: 'Invalid ARN prefix: nobody'"),
            ("InvalidLoggingConfiguration", {"loggingConfiguration": {"level": "ALL"}}, one),
            ("InvalidLoggingConfiguration", {"loggingConfiguration": LEVEL | {"destinations": [GROUP] * 2}}, one),
            ("InvalidEncryptionConfiguration", {"encryptionConfiguration": {"type": "CUSTOMER_MANAGED_KMS_KEY"}}, None),
            ("TooManyTags", {"tags": [{"key": str(n), "value": ""} for n in range(51)]}, None),
            ("ValidationException", {"versionDescription": "x"}, "Version description can only be set when publish is true"),
        ]:  # fmt: skip
            with self.subTest(wrong):
                self.refused(code, self.aws.create_state_machine, message=message, **(good | wrong))

    def test_definitions_are_refused_with_the_place(self):
        for definition, why in [
            ("{", "INVALID_JSON_DESCRIPTION: "),
            ('{"StartAt": "A"}', "SCHEMA_VALIDATION_FAILED: These fields are required: [States] at /"),
            (machine({"Type": "Pass", "Next": "There"}), "MISSING_TRANSITION_TARGET: Missing 'Next' target: There at /States/A/Next"),
            (machine({"Type": "Nap"}), " at /States/A/Type"),
            (machine({"Type": "Wait", "Seconds": "soon"}), "/States/A/Seconds"),
            (json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}, "Z": {"Type": "Succeed"}}}), '"Z" is not reachable. at /States/Z'),
        ]:  # fmt: skip
            with self.subTest(definition):
                named = {"name": self.name, "definition": definition, "roleArn": ROLE}
                answer = self.refused("InvalidDefinition", self.aws.create_state_machine, **named)
                self.assertTrue(answer["message"].startswith("Invalid State Machine Definition: '"), answer["message"])
                self.assertIn(why, answer["message"])

    def test_express_ones_do_less(self):
        topic = "arn:aws:states:::sns:publish.waitForTaskToken"
        nested = "arn:aws:states:::states:startExecution.sync"
        activity = "arn:aws:states:us-east-1:111111111111:activity:a"
        for resource, what in [
            (topic, "'.waitForTaskToken' service integration "),
            (nested, "'.sync' service integration"),
            (activity, "Activity ARN"),
        ]:
            definition = machine({"Type": "Task", "Resource": resource, "Parameters": {"StateMachineArn": MISSING}})
            why = f"Express state machine does not support {what} at /States/A/Resource"
            message = f"Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: {why}'"
            named = {"name": self.name, "definition": definition, "roleArn": ROLE, "type": "EXPRESS"}
            self.refused("InvalidDefinition", self.aws.create_state_machine, message=message, **named)

    def test_express_ones_have_no_distributed_maps(self):
        processor = json.loads(machine(PASS, names="X")) | {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}}
        named = {"name": self.name, "definition": machine({"Type": "Map", "ItemProcessor": processor}), "roleArn": ROLE}
        answer = self.refused("InvalidDefinition", self.aws.create_state_machine, type="EXPRESS", **named)
        self.assertIn("does not support Map states of Mode DISTRIBUTED", answer["message"])

    def test_resources_are_known_ones(self):
        for resource, why in [
            ("hello", "Value is not a valid resource ARN"),
            ("arn:aws:states:::foo:bar", "The resource provided arn:aws:states:::foo:bar is not recognized."),
        ]:
            named = {"name": self.name, "definition": machine({"Type": "Task", "Resource": resource}), "roleArn": ROLE}
            answer = self.refused("InvalidDefinition", self.aws.create_state_machine, **named)
            self.assertIn(f"SCHEMA_VALIDATION_FAILED: {why}", answer["message"])
            self.assertIn("at /States/A/Resource", answer["message"])

    def test_a_change_is_a_revision(self):
        arn = self.create(PASS)
        old = self.start(arn)
        first = self.aws.update_state_machine(stateMachineArn=arn, definition=machine(FAIL))["revisionId"]
        self.assertEqual(self.aws.update_state_machine(stateMachineArn=arn, definition=machine(FAIL))["revisionId"], first)
        second = self.aws.update_state_machine(stateMachineArn=arn, roleArn=ROLE + "2")["revisionId"]
        self.assertNotEqual(first, second)
        found = self.aws.describe_state_machine(stateMachineArn=arn)
        self.assertEqual((found["definition"], found["roleArn"]), (machine(FAIL), ROLE + "2"))
        self.assertEqual(found["revisionId"], second)
        self.assertEqual(self.ended(self.start(arn))["status"], "FAILED")
        self.assertEqual(self.ended(old)["status"], "SUCCEEDED")
        of_old = self.aws.describe_state_machine_for_execution(executionArn=old)
        self.assertEqual((of_old["definition"], of_old["roleArn"]), (machine(PASS), ROLE))

    def test_what_cannot_be_changed(self):
        arn, update = self.create(PASS), self.aws.update_state_machine
        self.refused("StateMachineDoesNotExist", update, stateMachineArn=MISSING, roleArn=ROLE)
        self.refused("MissingRequiredParameter", update, stateMachineArn=arn)
        self.refused("InvalidDefinition", update, stateMachineArn=arn, definition="{}")
        self.refused("InvalidArn", update, stateMachineArn="nonsense", roleArn=ROLE)
        self.refused("InvalidArn", update, stateMachineArn=arn, roleArn="nonsense")
        self.refused("InvalidLoggingConfiguration", update, stateMachineArn=arn, loggingConfiguration={"level": "ALL"})
        self.assertNotIn("revisionId", self.aws.describe_state_machine(stateMachineArn=arn))

    def test_a_list_has_pages_and_is_by_name(self):
        names = [f"{self.name}-{n}" for n in (2, 0, 1)]
        for name in names:
            self.create(PASS, name=name)
        found = [m["name"] for m in self.pages(self.aws.list_state_machines, "stateMachines")]
        self.assertEqual([name for name in found if name in names], sorted(names))
        self.refused("InvalidToken", self.aws.list_state_machines, nextToken="nonsense")

    def test_one_that_is_deleted_is_gone(self):
        arn = self.create(FOREVER, publish=True)
        self.aws.delete_state_machine(stateMachineArn=arn)
        self.aws.delete_state_machine(stateMachineArn=arn)
        message = f"State Machine Does Not Exist: '{arn}'"
        for call in [self.aws.describe_state_machine, self.aws.list_executions, self.aws.start_execution]:
            self.refused("StateMachineDoesNotExist", call, message=message, stateMachineArn=arn)
        self.refused("StateMachineDoesNotExist", self.aws.describe_state_machine, stateMachineArn=arn + ":1")
        self.assertEqual(self.create(PASS), arn)

    def test_arns_that_are_none(self):
        describe = self.aws.describe_state_machine
        message = "Invalid Arn: 'Invalid ARN prefix: not_an_arn'"
        self.refused("InvalidArn", describe, message=message, stateMachineArn="not_an_arn")
        labelled = self.create(PASS) + "/Label"
        answer = self.refused("ValidationException", describe, stateMachineArn=labelled)
        self.assertEqual(answer["reason"], "API_DOES_NOT_SUPPORT_LABELED_ARNS")


class Definitions(Case):
    def validate(self, definition, **more):
        return self.aws.validate_state_machine_definition(definition=definition, **more)

    def test_good_ones(self):
        self.assertEqual(self.validate(machine(PASS))["result"], "OK")
        static = machine({"Type": "Pass", "Result": {"x.$": "$.y"}})
        self.assertEqual(self.validate(static)["diagnostics"], [])
        found = self.validate(static, severity="WARNING")
        self.assertEqual((found["result"], found["diagnostics"][0]["severity"]), ("OK", "WARNING"))

    def test_all_is_told_at_once_with_its_place(self):
        found = self.validate(machine({"Type": "Pass", "Next": "X"}, {"Type": "Wait"}))
        self.assertEqual((found["result"], found["truncated"]), ("FAIL", False))
        places = [finding["location"] for finding in found["diagnostics"]]
        self.assertIn("/States/A/Next", places)
        self.assertIn("/States/B", places)
        few = self.validate(machine({"Type": "Pass", "Next": "X"}, {"Type": "Wait"}), maxResults=1)
        self.assertEqual((len(few["diagnostics"]), few["truncated"]), (1, True))

    def test_types_differ(self):
        task = machine({"Type": "Task", "Resource": "arn:aws:states:us-east-1:111111111111:activity:a"})
        self.assertEqual(self.validate(task)["result"], "OK")
        self.assertEqual(self.validate(task, type="EXPRESS")["result"], "FAIL")


class Tags(Case):
    def tags(self, arn):
        return {tag["key"]: tag["value"] for tag in self.aws.list_tags_for_resource(resourceArn=arn)["tags"]}

    def test_state_machines_and_activities_have_them(self):
        tags = [{"key": "a", "value": "1"}]
        activity = self.aws.create_activity(name=self.name, tags=tags)["activityArn"]
        for arn in [self.create(PASS, tags=tags), activity]:
            self.aws.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "2"}, {"key": "b", "value": ""}])
            self.assertEqual(self.tags(arn), {"a": "2", "b": ""})
            self.aws.untag_resource(resourceArn=arn, tagKeys=["a", "none"])
            self.assertEqual(self.tags(arn), {"b": ""})
            many = [{"key": str(n), "value": ""} for n in range(50)]
            self.refused("TooManyTags", self.aws.tag_resource, resourceArn=arn, tags=many)
            self.assertEqual(self.tags(arn), {"b": ""})

    def test_nothing_else_has(self):
        version = self.create(PASS, publish=True) + ":1"
        message = f"Resource not found: '{version}'"
        tags = [{"key": "a", "value": ""}]
        self.refused("ResourceNotFound", self.aws.tag_resource, message=message, resourceArn=version, tags=tags)
        self.refused("ResourceNotFound", self.aws.list_tags_for_resource, resourceArn=MISSING)
        self.refused("ResourceNotFound", self.aws.untag_resource, resourceArn=MISSING, tagKeys=["a"])
        self.refused("InvalidArn", self.aws.list_tags_for_resource, resourceArn="nonsense")


if __name__ == "__main__":
    unittest.main(verbosity=2)
