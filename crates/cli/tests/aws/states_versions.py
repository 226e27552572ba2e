"""Published versions of state machines, and aliases that route to them. Run by step_functions.rs."""

import unittest

from states_client import FAIL, PASS, ROLE, Case, machine


class Versions(Case):
    def publish(self, arn, **more):
        return self.aws.publish_state_machine_version(stateMachineArn=arn, **more)["stateMachineVersionArn"]

    def versions(self, arn):
        found = self.pages(self.aws.list_state_machine_versions, "stateMachineVersions", stateMachineArn=arn)
        return [version["stateMachineVersionArn"].rsplit(":", 1)[1] for version in found]

    def test_each_revision_is_published_once(self):
        arn = self.create(PASS)
        self.assertEqual(self.publish(arn, description="one"), arn + ":1")
        self.assertEqual(self.publish(arn), arn + ":1")
        revision = self.aws.update_state_machine(stateMachineArn=arn, definition=machine(FAIL))["revisionId"]
        self.assertEqual(self.publish(arn, revisionId=revision), arn + ":2")
        updated = self.aws.update_state_machine(stateMachineArn=arn, roleArn=ROLE + "3", publish=True)
        self.assertEqual(updated["stateMachineVersionArn"], arn + ":3")
        self.assertEqual(self.versions(arn), ["3", "2", "1"])
        first = self.aws.describe_state_machine(stateMachineArn=arn + ":1")
        self.assertEqual((first["definition"], first["description"]), (machine(PASS), "one"))
        self.assertEqual((first["roleArn"], first["stateMachineArn"]), (ROLE, arn + ":1"))
        self.assertEqual(self.aws.describe_state_machine(stateMachineArn=arn + ":2")["roleArn"], ROLE)
        now = updated["revisionId"]
        message = f"Failed to publish the State Machine version for revision {revision}. The current State Machine revision is {now}."
        publish = self.aws.publish_state_machine_version
        self.refused("ConflictException", publish, message=message, stateMachineArn=arn, revisionId=revision)

    def test_what_has_not_changed_is_published_alone(self):
        arn = self.create(PASS)
        for _ in range(2):
            updated = self.aws.update_state_machine(stateMachineArn=arn, publish=True)
            self.assertEqual(updated["stateMachineVersionArn"], arn + ":1")
            self.assertNotIn("revisionId", updated)

    def test_numbers_are_not_given_twice(self):
        arn = self.create(PASS, publish=True)
        for _ in range(2):
            self.aws.delete_state_machine_version(stateMachineVersionArn=arn + ":1")
        self.assertEqual(self.versions(arn), [])
        missing = {"stateMachineArn": arn + ":1", "message": f"State Machine Does Not Exist: '{arn}:1'"}
        self.refused("StateMachineDoesNotExist", self.aws.describe_state_machine, **missing)
        self.refused("StateMachineDoesNotExist", self.aws.start_execution, **missing)
        self.assertEqual(self.publish(arn), arn + ":2")

    def test_what_is_no_version(self):
        self.refused("InvalidArn", self.aws.delete_state_machine_version, stateMachineVersionArn="nonsense")
        self.refused("InvalidArn", self.aws.list_state_machine_versions, stateMachineArn="nonsense")
        missing = self.create(PASS) + "x"
        self.refused("StateMachineDoesNotExist", self.aws.publish_state_machine_version, stateMachineArn=missing)

    def test_executions_say_by_what_they_were_started(self):
        arn = self.create(PASS, publish=True)
        self.aws.update_state_machine(stateMachineArn=arn, definition=machine(FAIL), publish=True)
        route = [{"stateMachineVersionArn": arn + ":1", "weight": 100}]
        alias = self.aws.create_state_machine_alias(name="live", routingConfiguration=route)["stateMachineAliasArn"]
        plain, version, aliased = (self.ended(self.start(by)) for by in [arn, arn + ":1", alias])
        self.assertEqual([e["status"] for e in (plain, version, aliased)], ["FAILED", "SUCCEEDED", "SUCCEEDED"])
        asked = [(e.get("stateMachineAliasArn"), e.get("stateMachineVersionArn")) for e in (plain, version, aliased)]
        self.assertEqual(asked, [(None, None), (None, arn + ":1"), (alias, arn + ":1")])
        for by, wanted in [(arn, [aliased, version, plain]), (arn + ":1", [aliased, version]), (alias, [aliased])]:
            found = self.aws.list_executions(stateMachineArn=by)["executions"]
            self.assertEqual([e["executionArn"] for e in found], [e["executionArn"] for e in wanted])
            asked = [(e.get("stateMachineAliasArn"), e.get("stateMachineVersionArn")) for e in found]
            self.assertEqual(asked, [(e.get("stateMachineAliasArn"), e.get("stateMachineVersionArn")) for e in wanted])


class Aliases(Case):
    def setUp(self):
        super().setUp()
        self.arn = self.create(PASS, publish=True)
        self.aws.update_state_machine(stateMachineArn=self.arn, definition=machine(FAIL), publish=True)

    def routes(self, *weights):
        """Weights of versions 1, 2, …"""
        return [{"stateMachineVersionArn": f"{self.arn}:{n}", "weight": w} for n, w in enumerate(weights, 1)]

    def alias(self, name, *weights, **more):
        request = {"name": name, "routingConfiguration": self.routes(*weights)}
        return self.aws.create_state_machine_alias(**request, **more)["stateMachineAliasArn"]

    def test_one_is_described_changed_and_deleted(self):
        arn = self.alias("live", 100, description="first")
        self.assertEqual(arn, self.arn + ":live")
        found = self.aws.describe_state_machine_alias(stateMachineAliasArn=arn)
        self.assertEqual((found["name"], found["description"]), ("live", "first"))
        self.assertEqual(found["routingConfiguration"], self.routes(100))
        self.aws.update_state_machine_alias(stateMachineAliasArn=arn, routingConfiguration=self.routes(40, 60))
        found = self.aws.describe_state_machine_alias(stateMachineAliasArn=arn)
        self.assertEqual((found["description"], found["routingConfiguration"]), ("first", self.routes(40, 60)))
        self.aws.update_state_machine_alias(stateMachineAliasArn=arn, description="second")
        found = self.aws.describe_state_machine_alias(stateMachineAliasArn=arn)
        self.assertEqual((found["description"], found["routingConfiguration"]), ("second", self.routes(40, 60)))
        for _ in range(2):
            self.aws.delete_state_machine_alias(stateMachineAliasArn=arn)
        message = "Request references a resource that does not exist."
        for call, more in [
            (self.aws.describe_state_machine_alias, {}),
            (self.aws.update_state_machine_alias, {"description": "third"}),
        ]:
            self.refused("ResourceNotFound", call, message=message, stateMachineAliasArn=arn, **more)
        self.refused("StateMachineDoesNotExist", self.aws.start_execution, stateMachineArn=arn)

    def test_the_same_again_is_no_other(self):
        first = self.alias("live", 100, description="d")
        self.assertEqual(self.alias("live", 100, description="d"), first)
        message = "Failed to create alias because an alias with the same name and a different routing configuration already exists."
        create = self.aws.create_state_machine_alias
        for other in [
            {"routingConfiguration": self.routes(100), "description": "other"},
            {"routingConfiguration": self.routes(50, 50), "description": "d"},
        ]:
            self.refused("ConflictException", create, message=message, name="live", **other)

    def test_a_list_has_pages(self):
        names = ["a", "b", "c"]
        for name in names:
            self.alias(name, 100)
        self.alias("second", 0, 100)
        listed = lambda arn: [
            alias["stateMachineAliasArn"].rsplit(":", 1)[1]
            for alias in self.pages(self.aws.list_state_machine_aliases, "stateMachineAliases", stateMachineArn=arn)
        ]
        self.assertEqual(listed(self.arn), [*names, "second"])
        self.assertEqual(listed(self.arn + ":2"), ["second"])
        missing = self.arn + "x"
        self.refused("StateMachineDoesNotExist", self.aws.list_state_machine_aliases, stateMachineArn=missing)

    def test_routes_are_versions_whose_weights_add_up(self):
        one, two = (f"{self.arn}:{n}" for n in (1, 2))
        must = "Routing configuration must contain"
        for arns, weights, message in [
            ([self.arn], [100], f"{must} state machine version ARNs. Received: [{self.arn}]"),
            ([one, one], [50, 50], f"{must} distinct state machine version ARNs. Received: [{one}, {one}]"),
            ([one, two], [70, 29], "Sum of routing configuration weights must equal 100. Received: [70, 29]"),
        ]:
            routing = [{"stateMachineVersionArn": a, "weight": w} for a, w in zip(arns, weights)]
            named = {"name": "live", "routingConfiguration": routing}
            answer = self.refused("ValidationException", self.aws.create_state_machine_alias, message=message, **named)
            self.assertEqual(answer["reason"], "INVALID_ROUTING_CONFIGURATION")
        missing = [{"stateMachineVersionArn": self.arn + ":9", "weight": 100}]
        create = self.aws.create_state_machine_alias
        self.refused("ResourceNotFound", create, name="live", routingConfiguration=missing)
        arn = self.alias("live", 100)
        answer = self.refused("ValidationException", self.aws.update_state_machine_alias, stateMachineAliasArn=arn)
        self.assertEqual(answer["reason"], "MISSING_REQUIRED_PARAMETER")

    def test_a_version_with_an_alias_stays(self):
        self.alias("live", 100)
        message = "Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [live]"
        delete = self.aws.delete_state_machine_version
        self.refused("ConflictException", delete, message=message, stateMachineVersionArn=self.arn + ":1")

    def test_executions_are_shared(self):
        live = self.alias("live", 0, 100)
        self.assertEqual(self.ended(self.start(live))["status"], "FAILED")
        self.aws.update_state_machine_alias(stateMachineAliasArn=live, routingConfiguration=self.routes(50, 50))
        versions = {self.ended(self.start(live))["stateMachineVersionArn"] for _ in range(40)}
        self.assertEqual(versions, {self.arn + ":1", self.arn + ":2"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
