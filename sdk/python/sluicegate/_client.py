"""A client of a server: deploys apps, starts runs, reads their outputs."""

from __future__ import annotations

import base64
import json
import os
import time
import urllib.error
import urllib.request
import uuid
from typing import Any
from urllib.parse import quote, urlencode

from ._app import App
from ._bundle import load_bundle
from ._duration import Span, seconds
from ._parts import PARTS
from ._values import NPY, decode, encode, name_of
from ._wire import JSON, TEXT

#: How long one request waits on the server, in seconds, before it is asked again.
WAIT_SECONDS = 30.0
#: How long a server may take to answer beyond what it was asked to wait, in seconds.
ANSWER_SECONDS = 60.0
ENDED = ("succeeded", "failed", "cancelled")


class ApiError(Exception):
    """A request was refused, or the server cannot be reached (then ``status`` is 0 and ``code`` ``SLU0200``)."""

    def __init__(self, status: int, code: str, message: str, fix: str = "") -> None:
        super().__init__(f"{code}: {message}" + (f" ({fix})" if fix else ""))
        #: The HTTP status; 0 without an answer.
        self.status = status
        #: The stable code, such as ``SLU0008``.
        self.code = code
        self.message = message
        #: What to do about it.
        self.fix = fix


class RunFailed(Exception):
    """A run failed or was cancelled."""

    def __init__(self, run: Run, error: dict[str, Any]) -> None:
        self.run = run
        self.code: str = error.get("code", "")
        self.message: str = error.get("message", "")
        self.where: str = error.get("where", "")
        self.fix: str = error.get("fix", "")
        #: The exception of the function, if there was one: ``{"type", "message", "stack"}``.
        self.cause: dict[str, Any] | None = error.get("cause")
        super().__init__(f"{self.code}: {self.message}" + (f" ({self.fix})" if self.fix else ""))


class UpdateFailed(Exception):
    """A workflow could not do what it was asked for.

    :ivar type: the exception's type, or ``WorkflowEnded``.
    :ivar message: the exception's message.
    :ivar stack: its traceback.
    """

    def __init__(self, name: str, error: dict[str, Any]) -> None:
        self.type, self.message = error.get("type", ""), error.get("message", "")
        self.stack: str = error.get("stack", "")
        super().__init__(f"{name} failed: {self.type}: {self.message}")


class Client:
    """A connection to a server.

    :param url: where it listens.
    :param token: sent as a bearer token; by default the environment variable ``SLUICE_TOKEN``.
    """

    def __init__(self, url: str = "http://127.0.0.1:7117", token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._token = token if token is not None else os.environ.get("SLUICE_TOKEN")

    def deploy(self, app_or_path: App | str | os.PathLike[str]) -> dict[str, Any]:
        """Deploys an app, or the app in a Python file, as a new version. The app's folder goes along (see
        ``docs/reference/python.md`` for what is left out). Returns the server's answer."""
        definition, files = load_bundle(app_or_path)
        encoded = {path: {"base64": base64.b64encode(data).decode("ascii")} for path, data in files.items()}
        path = f"/v1/apps/{_part(definition['app'])}"
        answer: dict[str, Any] = self._json("POST", path, {"definition": definition, "files": encoded})
        return answer

    def start(
        self,
        app: App | str,
        objects: dict[str, dict[str, Any]] | None = None,
        input: Any = None,
        workflow: str | None = None,
        id: str | None = None,
        seal: bool = True,
        wait: Span | None = None,
    ) -> Run:
        """Starts a run.

        :param objects: what it starts with: ``{BUCKET: {KEY: VALUE}}``. A str is text, bytes are bytes, anything else
            is JSON.
        :param input: the object ``input`` of the bucket ``input``.
        :param id: an id of your own; the same request with the same id starts nothing again.
        :param seal: False keeps the run open for further puts, until :meth:`Run.seal`.
        :param wait: how long the server waits for the end before it answers: seconds, ``"30s"`` or a `timedelta`.
        """
        most = _optional("wait", wait)
        body: dict[str, Any] = {"seal": seal}
        if objects is not None:
            body["objects"] = {b: {k: to_wire(v) for k, v in keys.items()} for b, keys in objects.items()}
        body.update({k: v for k, v in {"workflow": workflow, "id": id}.items() if v is not None})
        if input is not None:
            body["input"] = to_wire(input)
        path = f"/v1/apps/{_part(_app_name(app))}/runs"
        return Run(self, self._json("POST", path, body, _query(wait=_wait(most)), most or 0.0))

    def put(self, app: App | str, bucket: str, key: str, value: Any, run: str | None = None) -> None:
        """Puts an object: into a run, or without ``run`` into the app, where app-scoped triggers see it."""
        data, content_type = to_bytes(value)
        self._bytes("PUT", _object_path(app, bucket, key), data, {"Content-Type": content_type}, _query(run=run))

    def get(self, app: App | str, bucket: str, key: str, run: str | None = None) -> Any:
        """The value of an object, decoded by its content type."""
        data, content_type = self._bytes("GET", _object_path(app, bucket, key), None, {}, _query(run=run))
        return from_bytes(data, content_type)

    def emit(
        self,
        type: str,
        data: Any = None,
        *,
        source: str = "sluicegate/python",
        subject: str | None = None,
        id: str | None = None,
        run: str | None = None,
    ) -> str:
        """Sends an event and returns its id. An event of the same source and id is taken once. ``run``: only that run
        hears it."""
        event: dict[str, Any] = {"specversion": "1.0", "type": type, "source": source, "id": id or str(uuid.uuid4())}
        event.update({k: v for k, v in {"subject": subject, "sluicerun": run}.items() if v is not None})
        if data is not None:
            event.update(_event_data(data))
        headers = {"Content-Type": "application/cloudevents+json"}
        self._bytes("POST", "/events", json.dumps(event).encode(), headers)
        return str(event["id"])

    def runs(self, app: App | str | None = None, status: str | None = None, limit: int = 100) -> list[Run]:
        """The latest runs, at most ``limit``; ``status`` is running, succeeded, failed or cancelled."""
        found: list[Run] = []
        cursor = None
        while len(found) < limit:
            name = None if app is None else _app_name(app)
            query = _query(app=name, status=status, limit=limit - len(found), cursor=cursor)
            page = self._json("GET", "/v1/runs", None, query)
            found.extend(Run(self, run) for run in page["runs"])
            cursor = page.get("next")
            if not cursor or not page["runs"]:
                break
        return found[:limit]

    def run(self, id: str) -> Run:
        """The run of that id."""
        return Run(self, self._json("GET", f"/v1/runs/{_part(id)}"))

    def _json(self, method: str, path: str, body: Any = None, query: str = "", wait: float = 0.0) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        answer, _ = self._bytes(method, path, data, headers, query, wait)
        return json.loads(answer) if answer else {}

    def _bytes(
        self,
        method: str,
        path: str,
        data: bytes | None,
        headers: dict[str, str],
        query: str = "",
        wait: float = 0.0,
    ) -> tuple[bytes, str]:
        request = urllib.request.Request(self.url + path + query, data=data, headers=headers, method=method)
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=wait + ANSWER_SECONDS) as response:
                return response.read(), response.headers.get("Content-Type", "")
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error.code, error.read()) from None
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            fix = "start one with `sluice server`, or give the URL of the one you mean"
            raise ApiError(0, "SLU0200", f"no server answers at {self.url}: {reason}", fix) from None


class Run:
    """A run, as last heard of; :meth:`refresh` asks again."""

    def __init__(self, client: Client, fields: dict[str, Any]) -> None:
        self._client = client
        self._fields = fields
        #: Its id.
        self.id: str = fields["run"]

    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self._fields.get('status')!r})"

    @property
    def status(self) -> str:
        """``running``, ``succeeded``, ``failed`` or ``cancelled``; asks the server while it is running."""
        if not self._has_ended():
            self.refresh()
        return str(self._fields["status"])

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs so far by key: JSON as its value, text as str, anything else as bytes."""
        if not self._has_ended() or "outputs" not in self._fields:
            self.refresh()
        types = self._fields.get("output_types", {})
        return {key: from_wire(value, types.get(key, "")) for key, value in self._fields.get("outputs", {}).items()}

    @property
    def error(self) -> dict[str, Any] | None:
        """Why it failed: ``{"code", "message", "where", "fix", "cause"?}``."""
        return self._fields.get("error")

    def refresh(self, wait: Span | None = None) -> Run:
        """Asks the server, which answers at the end of the run or after ``wait``."""
        most = _optional("wait", wait)
        query = _query(wait=_wait(most))
        self._fields = self._client._json("GET", f"/v1/runs/{_part(self.id)}", None, query, most or 0.0)
        return self

    def result(self, timeout: Span | None = None) -> Any:
        """Waits for the end and returns the output: the value if there is one, None if there is none, else all by key.

        :param timeout: the longest time to wait: seconds, a text such as ``"5m"``, a `timedelta`.
        :raises RunFailed: when the run failed or was cancelled.
        :raises TimeoutError: when it has not ended in time.
        """
        deadline = _deadline(timeout)
        pause = 0.01
        while not self._has_ended():
            left = WAIT_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{self.id} has not ended within {_told(timeout)}")
            asked = time.monotonic()
            self.refresh(wait=min(left, WAIT_SECONDS))
            if not self._has_ended() and time.monotonic() - asked < pause:
                time.sleep(pause)  # The server did not wait: ask less and less often.
                pause = min(pause * 2, 1.0)
        if self._fields["status"] != "succeeded":
            raise RunFailed(self, self.error or {"message": f"the run was {self._fields['status']}"})
        outputs = self.outputs
        return next(iter(outputs.values()), None) if len(outputs) < 2 else outputs

    def cancel(self) -> None:
        """Cancels it: functions are told to stop, and nothing further starts."""
        self._client._json("POST", f"/v1/runs/{_part(self.id)}/cancel", {})

    def fork(self, at: str | None = None, *, id: str | None = None, version: int | None = None) -> Run:
        """Starts a run whose workflow goes on from where this one's had been, and returns it.

        :param at: the last record that counts, the ``lsn`` of a line of the history; by default the last before the run
            ended or failed.
        :param id: an id of your own; the same request with the same id starts nothing again.
        :param version: of the app; the newest by default.
        """
        given = {"at": at, "id": id, "version": version}
        body = {key: value for key, value in given.items() if value is not None}
        return Run(self._client, self._client._json("POST", f"/v1/runs/{_part(self.id)}/fork", body))

    def move(self, version: int | None = None) -> None:
        """Has the run go on on another version of its app, the newest by default.

        :raises ApiError: when its code could not go on, with the first call that differs.
        """
        body = {} if version is None else {"version": version}
        self._client._json("POST", f"/v1/runs/{_part(self.id)}/move", body)

    def signal(self, name: str, value: Any = None) -> None:
        """Sends the run an event: a workflow gets it by ``ctx.wait_event(name)``."""
        self._client.emit(name, value, run=self.id)

    def query(self, name: str, value: Any = None) -> Any:
        """Asks the run's workflow something; see :meth:`WorkflowContext.on_query`."""
        path = f"/v1/runs/{_part(self.id)}/queries/{_part(name)}"
        told = self._client._json("POST", path, {} if value is None else {"value": to_wire(value)})
        return from_wire(told["result"], told["result_type"] or "")

    def update(self, name: str, value: Any = None, *, id: str | None = None, timeout: Span | None = None) -> Any:
        """Asks the run's workflow to do something and waits for what it returns; see :meth:`WorkflowContext.on_update`.

        :param id: names the update: the same again does nothing, and gives the same answer.
        :raises UpdateFailed: when the workflow raised, or ended before.
        :raises TimeoutError: when there is no answer in time.
        """
        id = id or str(uuid.uuid4())
        deadline = _deadline(timeout)
        while True:
            left = WAIT_SECONDS if deadline is None else min(WAIT_SECONDS, deadline - time.monotonic())
            if left <= 0:
                raise TimeoutError(f"no answer to {name!r} within {_told(timeout)}")
            body = {"id": id} if value is None else {"id": id, "value": to_wire(value)}
            path = f"/v1/runs/{_part(self.id)}/updates/{_part(name)}"
            told = self._client._json("POST", path, body, _query(wait=_wait(left)), left)
            if told.get("error") is not None:
                raise UpdateFailed(name, told["error"])
            if told["status"] != "pending":
                return from_wire(told["result"], told["result_type"] or "")

    def seal(self) -> None:
        """Says that no further objects will be put."""
        self._client._json("POST", f"/v1/runs/{_part(self.id)}/seal", {})

    def put(self, bucket: str, key: str, value: Any) -> None:
        """Puts an object into the run, which must not be sealed."""
        if "app" not in self._fields:
            self.refresh()
        self._client.put(self._fields["app"], bucket, key, value, run=self.id)

    def history(self) -> list[dict[str, Any]]:
        """What happened, in order: ``{"seq", "lsn", "time", "type", …}``."""
        events: list[dict[str, Any]] = self._client._json("GET", f"/v1/runs/{_part(self.id)}/history")["events"]
        return events

    def _has_ended(self) -> bool:
        return self._fields.get("status") in ENDED


def to_wire(value: Any) -> Any:
    """A value in a request: a str is text, ``{"base64"}`` bytes, anything else JSON."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"base64": base64.b64encode(value).decode("ascii")}
    return value


def _event_data(data: Any) -> dict[str, Any]:
    code, encoded, other = encode(data)
    content_type = name_of(code, other or "")
    if code in (JSON, TEXT):
        return {"datacontenttype": content_type, "data": data if code == TEXT else json.loads(bytes(encoded))}
    return {"datacontenttype": content_type, "data_base64": base64.b64encode(encoded).decode("ascii")}


def from_wire(value: Any, content_type: str) -> Any:
    """A value in an answer, which has the content type."""
    is_wrapped = isinstance(value, dict) and set(value) == {"base64"}
    return (
        _opened(base64.b64decode(value["base64"]), content_type) if is_wrapped and not _is_json(content_type) else value
    )


def to_bytes(value: Any) -> tuple[bytes, str]:
    """A value as the body of a request, and its content type."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value), "application/octet-stream"
    if isinstance(value, str):
        return value.encode(), "text/plain"
    return json.dumps(value).encode(), "application/json"


def from_bytes(data: bytes, content_type: str) -> Any:
    """The value that a body stands for."""
    if _is_json(content_type):
        return json.loads(data)
    return data.decode() if content_type.startswith("text/") else _opened(data, content_type)


def _opened(data: bytes, content_type: str) -> Any:
    """The array, or the structure that holds some, which bytes are; other bytes as they are."""
    return decode(data, content_type) if content_type in (NPY, PARTS) else data


def _is_json(content_type: str) -> bool:
    essence = content_type.split(";")[0].strip()
    return essence == "application/json" or essence.endswith("+json")


def _refusal(status: int, body: bytes) -> ApiError:
    try:
        error = json.loads(body)["error"]
        return ApiError(status, error["code"], error["message"], error.get("fix", ""))
    except (ValueError, KeyError, TypeError):
        return ApiError(status, "", f"the server answered {status}: {body[:200].decode(errors='replace')}")


def _app_name(app: App | str) -> str:
    return app.name if isinstance(app, App) else app


def _object_path(app: App | str, bucket: str, key: str) -> str:
    return f"/v1/apps/{_part(_app_name(app))}/buckets/{_part(bucket)}/{quote(key, safe='/')}"


def _part(text: str) -> str:
    return quote(text, safe="")


def _query(**fields: Any) -> str:
    given = {key: value for key, value in fields.items() if value is not None}
    return "?" + urlencode(given) if given else ""


def _wait(most: float | None) -> str | None:
    return None if most is None else f"{max(1, round(most * 1000))}ms"


def _optional(what: str, span: Span | None) -> float | None:
    return None if span is None else float(seconds(what, span))


def _deadline(timeout: Span | None) -> float | None:
    most = _optional("timeout", timeout)
    return None if most is None else time.monotonic() + most


def _told(span: Any) -> str:
    return f"{span} s" if isinstance(span, (int, float)) else str(span)
