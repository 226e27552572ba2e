"""Distributed Maps over S3. Run by items.rs with the binary in SLUICE_BINARY; the S3 is moto, which checks signatures."""

import concurrent.futures
import datetime
import gzip
import ipaddress
import json
import logging
import os
import subprocess
import threading
import time
import unittest
import urllib.request

import boto3
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.server import DomainDispatcherApplication, ThreadedMotoServer, create_backend_app
from werkzeug.serving import make_server

ROLE = "arn:aws:iam::123456789012:role/test"
CONFIG = Config(retries={"max_attempts": 1}, read_timeout=120, proxies={})
ROWS = 1200
READ = "arn:aws:states:::s3:getObject"
LIST = "arn:aws:states:::s3:listObjectsV2"

# The children of BATCHES: the batch with row 777 fails.
COUNT = {
    "StartAt": "Check",
    "States": {
        "Check": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% '777' in $states.input.Items.id %}", "Next": "Refused"}],
            "Default": "Count",
        },
        "Refused": {"Type": "Fail", "Error": "Refused", "Cause": "row 777"},
        "Count": {"Type": "Pass", "Output": {"rows": "{% $count($states.input.Items) %}"}, "End": True},
    },
}
SAME = {"StartAt": "Same", "States": {"Same": {"Type": "Pass", "End": True}}}


def client(service, url, key="test", secret="test"):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=CONFIG,
    )


class Server:
    """A `sluice server` that knows the S3 and a key."""

    def __init__(self, name, key, secret, **settings):
        arguments = ["server", "--addr", "127.0.0.1:0", "--data", name]
        env = dict(os.environ, AWS_ENDPOINT_URL=S3_URL, AWS_REGION="us-east-1", SLUICE_CORE="any", NO_PROXY="*")
        env.pop("AWS_ENDPOINT_URL_S3", None)
        env.pop("AWS_SESSION_TOKEN", None)
        env.update(settings, AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
        self.process = subprocess.Popen(
            [os.environ["SLUICE_BINARY"], *arguments], env=env, stdout=subprocess.PIPE, text=True
        )
        url = self.process.stdout.readline().strip().removeprefix("listening on ")
        self.states = client("stepfunctions", url)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def run(self, name, **fields):
        """What becomes of an execution of one distributed Map."""
        processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
        processor.update(fields.pop("processor", SAME))
        state = {"Type": "Map", "End": True, "ItemProcessor": processor, **fields}
        machine = {"QueryLanguage": "JSONata", "StartAt": "All", "States": {"All": state}}
        arn = self.states.create_state_machine(name=name, definition=json.dumps(machine), roleArn=ROLE)
        execution = self.states.start_execution(stateMachineArn=arn["stateMachineArn"])["executionArn"]
        while True:
            found = self.states.describe_execution(executionArn=execution)
            if found["status"] != "RUNNING":
                return found
            time.sleep(0.02)

    def output(self, name, **fields):
        found = self.run(name, **fields)
        assert found["status"] == "SUCCEEDED", found
        return json.loads(found["output"])


def setUpModule():
    global MOTO, S3_URL, S3, SERVER
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    MOTO = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    MOTO.start()
    host, port = MOTO.get_host_and_port()
    S3_URL = f"http://{host}:{port}"
    iam = client("iam", S3_URL)
    iam.create_user(UserName="sluice")
    anything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_user_policy(UserName="sluice", PolicyName="s3", PolicyDocument=json.dumps(anything))
    key = iam.create_access_key(UserName="sluice")["AccessKey"]
    # From now on moto checks who asks, and the signature.
    plain = {"Content-Type": "text/plain"}
    reset = urllib.request.Request(f"{S3_URL}/moto-api/reset-auth", data=b"0", headers=plain, method="POST")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(reset).close()
    S3 = client("s3", S3_URL, key["AccessKeyId"], key["SecretAccessKey"])
    S3.create_bucket(Bucket="shop")
    SERVER = Server("data", key["AccessKeyId"], key["SecretAccessKey"])
    globals().update(KEY_ID=key["AccessKeyId"], SECRET=key["SecretAccessKey"])


def tearDownModule():
    SERVER.stop()
    MOTO.stop()


def put(key, body):
    S3.put_object(Bucket="shop", Key=key, Body=body)


def get(key):
    return S3.get_object(Bucket="shop", Key=key)["Body"].read()


def reader(key, **config):
    reader = {"Resource": READ, "Arguments": {"Bucket": "shop", "Key": key}}
    return {**reader, "ReaderConfig": config} if config else reader


def writer(prefix, **config):
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": "shop", "Prefix": prefix}}
    return {**writer, "WriterConfig": config} if config else writer


def outputs(name, key, **config):
    return SERVER.output(name, ItemReader=reader(key, **config))


class Results(unittest.TestCase):
    def manifest(self, output):
        details = output["ResultWriterDetails"]
        self.assertEqual(details["Bucket"], "shop")
        manifest = json.loads(get(details["Key"]))
        self.assertEqual((manifest["DestinationBucket"], manifest["MapRunArn"]), ("shop", output["MapRunArn"]))
        return manifest["ResultFiles"]

    def records(self, files, status):
        body = get(files[status][0]["Key"])
        self.assertEqual(files[status][0]["Size"], len(body))
        return json.loads(body)

    def test_rows_in_batches_with_tolerated_failures(self):
        rows = "".join(f'{row},"a ""good"", one",{row % 7}\n' for row in range(ROWS))
        put("in/orders with spaces+ü.csv", "id,name,price\n" + rows)
        output = SERVER.output(
            "batches",
            ItemReader=reader("in/orders with spaces+ü.csv", InputType="CSV", CSVHeaderLocation="FIRST_ROW"),
            ItemBatcher={"MaxItemsPerBatch": 50},
            ToleratedFailurePercentage=5,
            MaxConcurrency=8,
            Label="Orders",
            ResultWriter=writer("out/"),
            processor=COUNT,
        )
        self.assertIn("/Orders:", output["MapRunArn"])
        files = self.manifest(output)
        succeeded, failed = self.records(files, "SUCCEEDED"), self.records(files, "FAILED")
        self.assertEqual((len(succeeded), len(failed), files["PENDING"]), (ROWS // 50 - 1, 1, []))
        self.assertTrue(all(json.loads(record["Output"]) == {"rows": 50} for record in succeeded))
        self.assertEqual([record["Status"] for record in failed], ["FAILED"])
        self.assertEqual((failed[0]["Error"], failed[0]["Cause"]), ("Refused", "row 777"))
        first = json.loads(succeeded[0]["Input"])["Items"][0]
        self.assertEqual(first, {"id": "0", "name": 'a "good", one', "price": "0"})
        names = {"ExecutionArn", "Input", "InputDetails", "Name", "Output", "OutputDetails", "StartDate"}
        self.assertLessEqual(names | {"StateMachineArn", "Status", "StopDate"}, set(succeeded[0]))
        run = SERVER.states.describe_map_run(mapRunArn=output["MapRunArn"])
        counts = run["itemCounts"]
        self.assertEqual((counts["total"], counts["failed"], counts["resultsWritten"]), (ROWS, 50, ROWS))

    def test_a_run_that_fails_tells_of_all_executions(self):
        put("in/numbers.json", json.dumps([{"id": str(n)} for n in (777, 1, 2, 3)]))
        found = SERVER.run(
            "intolerant",
            ItemReader=reader("in/numbers.json"),
            ItemBatcher={"MaxItemsPerBatch": 1},
            MaxConcurrency=1,
            ResultWriter=writer("failed"),
            processor=COUNT,
        )
        self.assertEqual((found["status"], found["error"]), ("FAILED", "States.ExceedToleratedFailureThreshold"))
        keys = [it["Key"] for it in S3.list_objects_v2(Bucket="shop", Prefix="failed/")["Contents"]]
        self.assertEqual({key.rsplit("/")[-1] for key in keys}, {"manifest.json", "FAILED_0.json", "PENDING_0.json"})
        pending = json.loads(get(next(key for key in keys if "PENDING" in key)))
        self.assertEqual({record["Status"] for record in pending}, {"PENDING"})
        self.assertEqual([json.loads(it["Input"])["id"] for it in pending], ["1", "2", "3"])

    def test_transformations(self):
        put("in/nested.json", "[[1, 2], 3, []]")
        nested = reader("in/nested.json")

        def written(name, **config):
            files = self.manifest(SERVER.output(name, ItemReader=nested, ResultWriter=writer("t", **config)))
            return get(files["SUCCEEDED"][0]["Key"]).decode()

        self.assertEqual(json.loads(written("compact", Transformation="COMPACT")), [[1, 2], 3, []])
        self.assertEqual(written("flat", Transformation="FLATTEN", OutputType="JSONL"), "1\n2\n3\n")
        records = json.loads(written("none", Transformation="NONE", OutputType="JSON"))
        self.assertEqual([record["Output"] for record in records], ["[1,2]", "3", "[]"])
        flat = SERVER.output("inner", ItemReader=nested, ResultWriter={"WriterConfig": {"Transformation": "FLATTEN"}})
        self.assertEqual(flat, [1, 2, 3])


class Items(unittest.TestCase):
    def test_json(self):
        put("in/deep.json", json.dumps({"a": {"b/c": [1, 2, 3]}}))
        self.assertEqual(outputs("deep", "in/deep.json", InputType="JSON", ItemsPointer="/a/b~1c", MaxItems=2), [1, 2])
        put("in/lines.jsonl", '{"n": 1}\n\n{"n": 2}\n')
        self.assertEqual(outputs("lines", "in/lines.jsonl", InputType="JSONL"), [{"n": 1}, {"n": 2}])

    def test_given_headers(self):
        put("in/pipes", "1|x\n2|y\n")
        given = {"CSVHeaderLocation": "GIVEN", "CSVHeaders": ["id", "name"], "CSVDelimiter": "PIPE"}
        found = outputs("pipes", "in/pipes", InputType="CSV", **given)
        self.assertEqual(found, [{"id": "1", "name": "x"}, {"id": "2", "name": "y"}])

    def test_versions(self):
        S3.put_bucket_versioning(Bucket="shop", VersioningConfiguration={"Status": "Enabled"})
        first = S3.put_object(Bucket="shop", Key="in/twice.json", Body="[1]")["VersionId"]
        put("in/twice.json", "[2]")
        S3.put_bucket_versioning(Bucket="shop", VersioningConfiguration={"Status": "Suspended"})
        older = {"Resource": READ, "Arguments": {"Bucket": "shop", "Key": "in/twice.json", "VersionId": first}}
        self.assertEqual(SERVER.output("older", ItemReader=older), [1])
        self.assertEqual(outputs("newer", "in/twice.json"), [2])

    def test_a_listing_of_several_pages(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: put(f"many/{n:04}.txt", "x" * (n % 3)), range(1001)))
        many = {"Resource": LIST, "Arguments": {"Bucket": "shop", "Prefix": "many/"}}
        found = SERVER.output("many", ItemReader=many)
        self.assertEqual([it["Key"] for it in found], [f"many/{n:04}.txt" for n in range(1001)])
        self.assertEqual(set(found[2]), {"Etag", "Key", "LastModified", "Size", "StorageClass"})
        self.assertEqual((found[2]["Size"], found[2]["StorageClass"]), (2, "STANDARD"))
        few = SERVER.output("few", ItemReader={**many, "ReaderConfig": {"MaxItems": 3}})
        self.assertEqual(len(few), 3)

    def test_what_is_listed_is_loaded(self):
        put("logs/a.jsonl", "1\n2\n")
        put("logs/b.jsonl", "3\n")
        put("logs/", "")
        load = {"InputType": "JSONL", "Transformation": "LOAD_AND_FLATTEN"}
        logs = {"Resource": LIST, "Arguments": {"Bucket": "shop", "Prefix": "logs/"}, "ReaderConfig": load}
        self.assertEqual(SERVER.output("logs", ItemReader=logs), [1, 2, 3])

    def test_manifests(self):
        put("inventory/data/one.csv.gz", gzip.compress(b'"shop","a","1"\n"shop","b","2"\n'))
        inventory = {
            "destinationBucket": "arn:aws:s3:::shop",
            "fileFormat": "CSV",
            "fileSchema": "Bucket, Key, Size",
            "files": [{"key": "inventory/data/one.csv.gz"}],
        }
        put("inventory/manifest.json", json.dumps(inventory))
        expected = [{"Bucket": "shop", "Key": key, "Size": size} for key, size in (("a", "1"), ("b", "2"))]
        self.assertEqual(outputs("inventory", "inventory/manifest.json", InputType="MANIFEST"), expected)
        put("athena/manifest.csv", "s3://shop/in/1.jsonl\ns3://shop/in/2.jsonl\n")
        put("in/1.jsonl", "1\n")
        put("in/2.jsonl", "2\n")
        athena = {"ManifestType": "ATHENA_DATA", "InputType": "JSONL"}
        self.assertEqual(outputs("athena", "athena/manifest.csv", **athena), [1, 2])


class Errors(unittest.TestCase):
    def check(self, found, error, cause):
        self.assertEqual((found["status"], found["error"]), ("FAILED", error))
        self.assertIn(cause, found["cause"])

    def test_what_is_missing(self):
        found = SERVER.run("nokey", ItemReader=reader("in/nothing.json"))
        self.check(found, "States.ItemReaderFailed", "NoSuchKey")
        put("in/one.json", "[1]")
        nowhere = {"Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": "nowhere"}}
        found = SERVER.run("nobucket", ItemReader=reader("in/one.json"), ResultWriter=nowhere)
        self.check(found, "States.ResultWriterFailed", "NoSuchBucket")
        unkeyed = {"Resource": READ, "Arguments": {"Bucket": "shop"}}
        self.check(SERVER.run("unkeyed", ItemReader=unkeyed), "States.ItemReaderFailed", "'Key'")

    def test_what_is_no_table(self):
        for name, body, cause in (
            ("empty", b"id,name\n", "only CSV headers"),
            ("double", b"id,id\n1,2\n", "duplicates"),
            ("binary", b"id\n\xff\xfe\n", "not CSV"),
            ("packed", b"\x1f\x8bnonsense", "unpacked"),
        ):
            put(f"in/{name}.csv", body)
            self.check(SERVER.run(name, ItemReader=reader(f"in/{name}.csv")), "States.ItemReaderFailed", cause)

    def test_errors_are_caught(self):
        catch = [{"ErrorEquals": ["States.ItemReaderFailed"], "Next": "Caught", "Output": "{% $states.errorOutput.Error %}"}]
        state = {"Type": "Map", "End": True, "ItemReader": reader("none"), "Catch": catch}
        state["ItemProcessor"] = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}, **SAME}
        machine = {"QueryLanguage": "JSONata", "StartAt": "All", "States": {"All": state, "Caught": {"Type": "Succeed"}}}
        arn = SERVER.states.create_state_machine(name="catches", definition=json.dumps(machine), roleArn=ROLE)
        execution = SERVER.states.start_execution(stateMachineArn=arn["stateMachineArn"])["executionArn"]
        while (found := SERVER.states.describe_execution(executionArn=execution))["status"] == "RUNNING":
            time.sleep(0.02)
        self.assertEqual(json.loads(found["output"]), "States.ItemReaderFailed")

    def test_another_secret_is_refused(self):
        put("in/one.json", "[1]")
        server = Server("other", KEY_ID, "not-the-secret")
        try:
            found = server.run("forged", ItemReader=reader("in/one.json"))
        finally:
            server.stop()
        self.check(found, "States.ItemReaderFailed", "SignatureDoesNotMatch")


class Encrypted(unittest.TestCase):
    """The same S3 behind TLS, with a certificate of its own."""

    def setUp(self):
        self.certificate, key = os.path.abspath("s3.pem"), os.path.abspath("s3.key")
        issue(self.certificate, key)
        self.front = make_server(
            "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True, ssl_context=(self.certificate, key)
        )
        threading.Thread(target=self.front.serve_forever, daemon=True).start()
        self.url = f"https://127.0.0.1:{self.front.port}"

    def tearDown(self):
        self.front.shutdown()

    def ran(self, name, **settings):
        put("in/one.json", "[1]")
        server = Server(name, KEY_ID, SECRET, AWS_ENDPOINT_URL=self.url, **settings)
        try:
            return server.run(name, ItemReader=reader("in/one.json"), ResultWriter=writer("tls/"))
        finally:
            server.stop()

    def test_trusted(self):
        found = self.ran("trusted", AWS_CA_BUNDLE=self.certificate)
        self.assertEqual(found["status"], "SUCCEEDED", found)
        self.assertIn("ResultWriterDetails", json.loads(found["output"]))

    def test_not_trusted(self):
        found = self.ran("untrusted")
        self.assertEqual((found["status"], found["error"]), ("FAILED", "States.ItemReaderFailed"))
        self.assertIn("certificate", found["cause"])


def issue(certificate_path, key_path):
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    with open(certificate_path, "wb") as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
    with open(key_path, "wb") as file:
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        file.write(key.private_bytes(encoding, form, serialization.NoEncryption()))


if __name__ == "__main__":
    unittest.main(verbosity=0)
