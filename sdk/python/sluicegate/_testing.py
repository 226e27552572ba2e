"""``app.test()``: an app whose functions run in this process, on the real engine, in virtual time."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ._client import ENDED, RunFailed
from ._duration import Span, seconds
from ._failure import Reported
from ._load import Function
from ._rehearsal import Rehearsal
from ._stage import Stage, wire
from ._turns import Names, Turns
from ._values import decode, encode, name_of
from ._wire import COLD, DIVERGED

if TYPE_CHECKING:
    from ._app import App
    from ._conditions import Bucket, FunctionLike

#: When a test begins unless it says otherwise: 2026-01-01 in UTC.
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
#: How much time :meth:`TestRun.result` lets pass, unless it is told otherwise.
PATIENCE = datetime.timedelta(days=366)


class Fault(NamedTuple):
    """A failure to come."""

    predicate: Callable[[Any], Any] | None
    error: BaseException | type[BaseException]


class TestApp:
    """An app on a stage. Whatever is due is called before the method that made it due returns; time moves in
    :meth:`advance` and :meth:`TestRun.result` only. Made by ``app.test()``."""

    __test__ = False  # for pytest: this is no test

    def __init__(self, app: App, start_time: datetime.datetime | None, seed: int, binary: str | None) -> None:
        start = START if start_time is None else start_time
        if start.tzinfo is None:
            raise ValueError("start_time has no time zone; write datetime(..., tzinfo=timezone.utc)")
        self.app = app
        self._now_ms = round(start.timestamp() * 1000)
        self._setup = (binary, self._now_ms, seed)
        self._rehearsal: Rehearsal | None = None
        self._stage = Stage(["input", "output", *app.buckets], self._put_by)
        self._functions: dict[str, Any] = {
            name: self._load(name) for name, found in app.functions.items() if found.call
        }
        for name, workflow in app.workflows.items():
            # A checkpoint from which the code cannot begin is found in the first test.
            turns = Turns(name, workflow.call, Names([app]), forgets_at_checkpoints=True)  # type: ignore[arg-type]
            self._functions[name] = turns
        self._faults: dict[str, list[Fault]] = {}
        self._calls: dict[str, list[tuple[Any, int]]] = {}
        self._errors: dict[str, BaseException] = {}
        #: A call that the test has interrupted; it is made again.
        self._unmade: dict[str, Any] | None = None

    def __enter__(self) -> TestApp:
        self._rehearsal = Rehearsal(*self._setup)
        try:
            self._ask("deploy", self.app.definition())
        except BaseException:
            self._rehearsal.close()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        if self._rehearsal is not None:
            self._rehearsal.close()
            self._rehearsal = None

    @property
    def now(self) -> datetime.datetime:
        """The virtual time, in UTC."""
        return datetime.datetime.fromtimestamp(self._now_ms / 1000, datetime.timezone.utc)

    def advance(self, seconds: Span) -> None:
        """Moves the time; timers, windows and cron triggers on the way fire when they are due."""
        if self._stage.serial:
            raise RuntimeError("time stands still while a function runs; advance it in the test")
        self._play(until_ms=self._now_ms + _ms(seconds))

    def start(
        self,
        objects: Mapping[Any, Mapping[str, Any]] | None = None,
        input: Any = None,
        id: str | None = None,
        seal: bool = True,
        event: str | Mapping[str, Any] | None = None,
        workflow: Any = None,
    ) -> TestRun:
        """Starts a run and calls what is due.

        :param objects: what it starts with: ``{bucket: {key: value}}``; values as functions return them.
        :param input: the object ``input`` of the bucket ``input``.
        :param id: an id of your own.
        :param seal: False keeps the run open for :meth:`TestRun.put`, until :meth:`TestRun.seal`.
        :param event: an event that only this run hears: its type, or ``{"type", "data"?, "subject"?, "source"?}``.
        :param workflow: the workflow that it runs, which gets ``input``: its function or its name. An app that is nothing
            but one workflow runs that.
        """
        given = [_object(b, key, value) for b, keys in (objects or {}).items() for key, value in keys.items()]
        if input is not None:
            given.append(_object("input", "input", input))
        if event is not None:
            event = _event(**({"type": event} if isinstance(event, str) else event))
        named = None if workflow is None else self._workflow(workflow)
        run = self._ask("start", {"id": id, "objects": given, "event": event, "seal": seal, "workflow": named})
        self._play()
        return TestRun(self, run)

    def emit(
        self,
        type: str,
        data: Any = None,
        subject: str | None = None,
        source: str | None = None,
        id: str | None = None,
        run: str | None = None,
    ) -> None:
        """Sends an event and calls what is due. ``run``: only that run hears it."""
        self._do("event", _event(type, data, subject, source, id, run))

    def put(self, bucket: Bucket | str, key: str, value: Any) -> None:
        """Puts an object into the app, where app-scoped triggers see it, and calls what is due."""
        self._do("put", {"run": None, "object": _object(bucket, key, value)})

    def runs(self) -> list[TestRun]:
        """All runs, oldest first: also those that cron and app-scoped triggers started."""
        return [TestRun(self, run) for run in self._ask("runs", None)]

    def calls(self, function: FunctionLike) -> list[tuple[Any, int]]:
        """The calls of a function so far, in order: what it was called with, and which try it was. What it was called
        with is the key of the object, a list of keys, or the type of the event."""
        return list(self._calls.get(self._name(function), []))

    def fail(
        self,
        function: FunctionLike,
        times: int = 1,
        error: BaseException | type[BaseException] = Exception("injected"),
    ) -> None:
        """Makes the next calls of a function raise instead of running."""
        self._faults.setdefault(self._name(function), []).extend([Fault(None, error)] * times)

    def fail_when(
        self,
        function: FunctionLike,
        predicate: Callable[[Any], Any],
        error: BaseException | type[BaseException] = Exception("injected"),
    ) -> None:
        """Makes every call of a function raise whose argument (object, list or event) meets the predicate."""
        self._faults.setdefault(self._name(function), []).append(Fault(predicate, error))

    def restart_workers(self) -> None:
        """Has workers forget the workflows that are under way, as in a crash: at its next turn each is told again what has
        happened since its start, or since its last checkpoint. Code that does not do the same then raises `RuntimeError`."""
        for function in self._functions.values():
            if isinstance(function, Turns):
                function.forget()

    def stub(self, function: FunctionLike, call: Callable[..., Any]) -> None:
        """Has a Python function called in place of the declared one, which may be of any runtime."""
        name = self._name(function)
        self._functions[name] = self._load(name, call)

    def _workflow(self, workflow: Any) -> str:
        name = self.app._workflow_name(workflow)
        if self.app._find_workflow(name) is None:
            known = ", ".join([*self.app.workflows, *self.app.dags, *self.app.state_machines])
            raise ValueError(f"{self.app!r} has no workflow {name!r}; it has {known}")
        return name

    def _name(self, function: FunctionLike) -> str:
        for workflow in (*self.app.workflows.values(), *self.app.dags.values(), *self.app.state_machines.values()):
            if function is workflow or (callable(function) and getattr(workflow, "call", None) is function):
                fix = f"declare app.workflow_function(..., {workflow.name!r}), and call that"
                raise ValueError(f"{workflow.name!r} is a workflow and no function; {fix}")
        name = self.app._name_of(function)
        if name not in self.app.functions:
            raise ValueError(f"{self.app!r} has no function {name!r}; it has {', '.join(self.app.functions)}")
        return name

    def _load(self, name: str, call: Callable[..., Any] | None = None) -> Function:
        declared = self.app.functions[name]
        into = [self._stage.bucket_index[bucket.bucket_name] for bucket in declared.into]
        return Function(name, call or declared.call, into, self._stage.buckets)  # type: ignore[arg-type]

    def _do(self, request: str, said: Any) -> None:
        self._ask(request, said)
        self._play()

    def _ask(self, request: str, said: Any) -> Any:
        if self._rehearsal is None:
            raise RuntimeError("the test has not begun, or is over; write `with app.test() as t:`")
        return self._rehearsal.ask({request: said})[1]

    def _play(self, until_ms: int | None = None, run: str | None = None) -> dict[str, Any]:
        """Makes calls until there are none; what was waited for then."""
        while not self._stage.serial:
            said = self._unmade or self._ask("next", {"until_ms": until_ms, "run": run})
            self._now_ms = said["now_ms"]
            if "next_ms" in said:
                return dict(said)
            self._unmade = said
            self._make(said)
            self._unmade = None
        return {}  # a function that runs made something due: it is called afterwards

    def _make(self, call: dict[str, Any]) -> None:
        name = call["function"]
        function = self._functions.get(name)
        runtime = "workflow" if name in self.app.workflows else self.app.functions[name].runtime
        if function is None and runtime != "workflow":
            raise NotImplementedError(
                f"{name!r} is a function of runtime {runtime}, which a test does not call; "
                f"give it a stand-in: t.stub({name!r}, lambda obj: ...)"
            )
        if name not in self.app.workflows:
            self._calls.setdefault(name, []).append((_keys(call["arguments"]), call["attempt"]))
        error = self._fault(name, call)
        if error is not None:
            function = Function(name, _raiser(error), [], self._stage.buckets)
        if function is None:
            # The workflow itself does it, as a run of its own.
            self._ask("passed", call["call"])
            return
        outcome = self._stage.play(function, call)
        error = self._stage.error
        # A worker that has forgotten a workflow is no failure of the app.
        if error is not None and not (isinstance(error, Reported) and error.kind == COLD):
            self._errors[call["run"]] = error
        if isinstance(error, Reported) and error.kind == DIVERGED:
            # It would be tried again for ever, with the same code.
            raise RuntimeError(f"workflow {name!r} does something else when it runs again: {error}\n{error.stack}")
        self._ask("completed", {"call": call["call"], "outcome": outcome})

    def _fault(self, name: str, call: dict[str, Any]) -> BaseException | type[BaseException] | None:
        faults = self._faults.get(name, [])
        for index, fault in enumerate(faults):
            if fault.predicate is None:
                return faults.pop(index).error
            if fault.predicate(self._stage.argument(call)):
                return fault.error
        return None

    def _put_by(self, put: dict[str, Any]) -> bool:
        return bool(self._ask("put_by", {"call": self._stage.serial, "object": put})["stopped"])


class TestRun:
    """A run of an app under test."""

    __test__ = False

    def __init__(self, test: TestApp, id: str) -> None:
        self._test = test
        #: Its id.
        self.id = id

    def __repr__(self) -> str:
        return f"TestRun({self.id!r})"

    @property
    def status(self) -> str:
        """``running``, ``succeeded``, ``failed`` or ``cancelled``."""
        return str(self._fields()["status"])

    @property
    def outputs(self) -> dict[str, Any]:
        """Its outputs by key, decoded, once it has ended."""
        return {found["key"]: _value(found["data"]) for found in self._fields()["outputs"]}

    @property
    def error(self) -> dict[str, Any] | None:
        """Why it failed or was cancelled: ``{"code", "message", "where", "fix", "cause"?}``."""
        error: dict[str, Any] | None = self._fields()["error"]
        return error

    def result(self, within: Span = PATIENCE) -> Any:
        """Moves the time to the end of the run and returns its output: the value if there is one, None if there is
        none, else all by key.

        :param within: the longest virtual time to wait: seconds, a text such as ``"2d"``, a `timedelta`.
        :raises RunFailed: when it failed or was cancelled; the exception of the function, if there was one, is its cause.
        :raises TimeoutError: when it has not ended in time, or cannot end.
        """
        idle = self._test._play(until_ms=self._test._now_ms + _ms(within), run=self.id)
        fields = self._fields()
        if fields["status"] not in ENDED:
            raise TimeoutError(self._why_open(fields, idle))
        if fields["status"] != "succeeded":
            raise RunFailed(self, fields["error"] or {}) from self._test._errors.get(self.id)  # type: ignore[arg-type]
        outputs = self.outputs
        return next(iter(outputs.values()), None) if len(outputs) < 2 else outputs

    def put(self, bucket: Bucket | str, key: str, value: Any) -> None:
        """Puts an object into the run, which must not be sealed, and calls what is due."""
        self._test._do("put", {"run": self.id, "object": _object(bucket, key, value)})

    def seal(self) -> None:
        """Says that no further objects will be put, and calls what is due."""
        self._test._do("seal", self.id)

    def cancel(self) -> None:
        """Cancels it: nothing further is called."""
        self._test._do("cancel", self.id)

    def history(self) -> list[dict[str, Any]]:
        """What happened, in order: ``{"seq", "lsn", "time", "type", …}``."""
        lines: list[dict[str, Any]] = self._test._ask("history", self.id)
        return lines

    def _fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = self._test._ask("run", self.id)
        return fields

    def _why_open(self, fields: dict[str, Any], idle: dict[str, Any]) -> str:
        if not idle:
            return f"{self.id} cannot end while the function that asks for its result runs; ask in the test"
        if idle["next_ms"] is not None:
            return f"{self.id} has not ended by {self._test.now}, and the next timer is later; give result(within=...) more"
        if not fields["sealed"]:
            return f"{self.id} cannot end: nothing is left to call and it waits for inputs; call seal()"
        return f"{self.id} cannot end: nothing is left to call, and no timer is set; does it wait for an event?"


def _raiser(error: BaseException | type[BaseException]) -> Callable[[], Any]:
    def fail() -> Any:
        # An instance may be raised again and again; it forgets where it was raised before.
        raise error if isinstance(error, type) else error.with_traceback(None)

    return fail


def _keys(arguments: dict[str, Any]) -> Any:
    ((form, said),) = arguments.items()
    if form == "list":
        return [found["key"] for found in said]
    if form == "events":
        return [found["id"] for found in said]
    return said["type"] if form == "event" else said["key"]


def _ms(span: Span) -> int:
    return round(seconds("the time to go forward by", span) * 1000)


def _object(bucket: Any, key: str, value: Any) -> dict[str, Any]:
    return {"bucket": getattr(bucket, "bucket_name", bucket), "key": key, "data": _wire(value)}


def _event(
    type: str,
    data: Any = None,
    subject: str | None = None,
    source: str | None = None,
    id: str | None = None,
    run: str | None = None,
) -> dict[str, Any]:
    payload = None if data is None else _wire(data)
    return {"type": type, "data": payload, "subject": subject, "source": source, "id": id, "run": run}


def _wire(value: Any) -> dict[str, str]:
    code, data, other = encode(value)
    return wire(bytes(data), name_of(code, other or ""))


def _value(data: dict[str, str]) -> Any:
    return decode(base64.b64decode(data["base64"]), data["content_type"])
