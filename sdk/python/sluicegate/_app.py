"""The app: its buckets, functions and triggers, and the definition that they amount to."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, Union

from ._conditions import Bucket, Condition, Conditional, FunctionLike, condition
from ._dag import Dag, Task
from ._duration import Duration
from ._function import Function, StateMachine, Trigger
from ._names import Place, caller, check_name
from ._settings import check_settings

if TYPE_CHECKING:
    import datetime

    from ._testing import TestApp

#: ``inspect.CO_ASYNC_GENERATOR``, without the time that importing ``inspect`` takes.
ASYNC_GENERATOR = 0x200
#: ``inspect.CO_VARARGS``.
VARARGS = 0x04
#: ``inspect.CO_COROUTINE``.
COROUTINE = 0x80
F = TypeVar("F", bound=Callable[..., Any])
Into = Union[Bucket, "list[Bucket]", "tuple[Bucket, ...]", None]


class App:
    """An app.

    :param name: letters, digits, ``_``, ``.``, ``-``.
    :param durability: ``"durable"`` (every step survives a crash) or ``"express"`` (a run starts again after one).
    :param network: ``"host"`` or ``"none"``, for every function that does not say so itself.
    """

    def __init__(self, name: str, durability: str = "durable", network: str | None = None) -> None:
        self.name = check_name("an app", name)
        if durability not in ("durable", "express"):
            raise ValueError(f'durability is "durable" or "express", not {durability!r}')
        check_settings({"network": network})
        self.durability = durability
        self.network = network
        self.place = caller()
        #: The bucket that holds what a run starts with, under the key ``input``.
        self.input = Bucket(self, "input", keep=True)
        #: The bucket whose objects are the outputs of a run.
        self.output = Bucket(self, "output", keep=True)
        self.buckets: dict[str, Bucket] = {}
        self.functions: dict[str, Function] = {}
        self.workflows: dict[str, Function] = {}
        self.dags: dict[str, Dag] = {}
        self.state_machines: dict[str, StateMachine] = {}
        self.triggers: list[Trigger] = []
        self._places: dict[str, Place] = {}

    def __repr__(self) -> str:
        return f"App({self.name!r})"

    def bucket(self, name: str, keep: bool = False) -> Bucket:
        """Declares a bucket. ``keep``: its objects stay until the run is deleted, not only until their last use."""
        check_name("a bucket", name)
        if name in ("input", "output"):
            raise ValueError(f"every app has the bucket {name!r}: use app.{name}")
        if name in self.buckets:
            raise ValueError(f"the bucket {name!r} is declared twice; keep the first in a variable")
        self._places[f"buckets.{name}"] = caller()
        self.buckets[name] = Bucket(self, name, bool(keep))
        return self.buckets[name]

    def function(
        self,
        on: Conditional | None = None,
        into: Into = None,
        *,
        name: str | None = None,
        retries: int | dict[str, Any] | None = None,
        timeout: Duration | None = None,
        rerun_after: Duration | None = None,
        memory: int | str | None = None,
        cpu: float | None = None,
        network: str | None = None,
        env: dict[str, str] | None = None,
        visibility: str | None = None,
        streams: bool | None = None,
        concurrency: int | None = None,
        warm: int | None = None,
        scope: str | None = None,
        optional: bool | None = None,
    ) -> Callable[[F], F]:
        """Declares the decorated function, which stays an ordinary function.

        :param on: when it is called; a bucket means each of its objects, a list any of its conditions.
        :param into: the bucket its return value goes to, or a list of those it may put to, that one first;
            ``app.output`` by default, and always allowed.
        :param name: its name in the app; by default that of the Python function.
        :param retries: tries after the first failed one (default 2), or
            ``{"max", "initial", "backoff", "max_delay", "jitter"}``.
        :param timeout: longest time of one attempt, in seconds or as ``"5m"`` (default 15 minutes).
        :param rerun_after: time after which an attempt is taken for hanging; lowers ``timeout``.
        :param memory: bytes, or a text such as ``"256MiB"`` (default 512 MiB).
        :param cpu: cores; no limit by default.
        :param network: ``"host"`` or ``"none"``.
        :param env: environment variables.
        :param visibility: ``"put"`` (puts are seen at once) or ``"commit"`` (when the attempt succeeds).
        :param streams: it reads objects while they are written; by default when its code uses ``.stream``.
        :param concurrency: most attempts at once.
        :param warm: sandboxes kept warm while idle.
        :param scope: ``"run"`` or ``"app"``: whose objects and events ``on`` sees.
        :param optional: an incomplete ``set`` or ``first`` does not fail the run.
        """
        if on is not None and not isinstance(on, (Condition, list, tuple)) and callable(on):
            raise TypeError("write @app.function(on=...) with parentheses")
        settings = dict(
            retries=retries, timeout=timeout, rerun_after=rerun_after, memory=memory, cpu=cpu, network=network,
            env=env, visibility=visibility, streams=streams, concurrency=concurrency, warm=warm, scope=scope, optional=optional,
        )  # fmt: skip
        declared_at = caller()

        def declare(call: F) -> F:
            code = _code(call)
            place = Place(os.path.abspath(code.co_filename), code.co_firstlineno) if code else declared_at
            found = {"streams": True} if streams is None and _uses(code, "stream") else {}
            self._declare(name or call.__name__, call, "python", on, into, {**settings, **found}, place)
            return call

        return declare

    def exec_function(
        self, name: str, command: list[str] | str, on: Conditional | None = None, into: Into = None, **settings: Any
    ) -> Function:
        """Declares a function that runs a program: the object on its stdin, the result on its stdout. ``{input}`` and
        ``{output}`` in an argument stand for the paths of files instead. Settings as in :meth:`function`."""
        return self._declare(name, None, "exec", on, into, {"command": _words(command), **settings}, caller())

    def process_function(
        self, name: str, command: list[str] | str, on: Conditional | None = None, into: Into = None, **settings: Any
    ) -> Function:
        """Declares a function served by a program that speaks the worker protocol and stays warm."""
        return self._declare(name, None, "process", on, into, {"command": _words(command), **settings}, caller())

    def wasm_function(
        self,
        name: str,
        module: str,
        on: Conditional | None = None,
        into: Into = None,
        *,
        fresh: bool = False,
        **settings: Any,
    ) -> Function:
        """Declares a function in WebAssembly: ``module`` is a .wasm or .wat file beside the app; ``fresh`` gives each
        invocation an instance of its own. Settings as in :meth:`function`."""
        if not isinstance(module, str) or not module.endswith((".wasm", ".wat")):
            raise ValueError(f"module is the path of a .wasm or .wat file, not {module!r}")
        settings = {"module": module, "fresh": fresh or None, **settings}
        return self._declare(name, None, "wasm", on, into, settings, caller())

    def workflow_function(
        self,
        name: str,
        workflow: str | Dag | StateMachine | Callable[..., Any],
        on: Conditional | None = None,
        into: Into = None,
        *,
        retries: int | dict[str, Any] | None = None,
        scope: str | None = None,
        optional: bool | None = None,
    ) -> Function:
        """Declares a function whose calls are runs of a workflow: what it is called with, as JSON, is the input, the
        output is what it returns. So triggers, tasks of DAGs, states and the code of workflows call workflows.

        :param workflow: a workflow of the app, or its name.
        :param retries: further runs after one that failed (default 0).
        """
        called = self._workflow_name(workflow)
        settings = {"workflow": called, "retries": retries, "scope": scope, "optional": optional}
        return self._declare(name, None, "workflow", on, into, settings, caller())

    def state_machine(self, name: str, steps: str | dict[str, Any], *, aws_limits: bool = False) -> StateMachine:
        """Declares a state machine in the Amazon States Language, a workflow.

        :param steps: a file beside the app, such as ``"order.asl.json"``, or the definition as a dict.
        :param aws_limits: the limits that AWS documents for values and histories hold.
        """
        if not isinstance(steps, (str, dict)):
            raise TypeError(f"steps is the path of a file or a dict, not {type(steps).__name__}")
        self._check_free("a workflow", name)
        machine = self.state_machines[name] = StateMachine(name, steps, bool(aws_limits), caller())
        return machine

    def workflow(self, call: F | None = None, *, name: str | None = None, timeout: Duration | None = None) -> Any:
        """Declares the decorated ``async def`` function as a workflow: it is called with a :class:`WorkflowContext` and
        its input.

        :param name: its name in the app; by default that of the Python function.
        :param timeout: longest time that the code may take from one ``await`` to the next (default 10 seconds).
        """
        if call is None:
            return lambda call: self.workflow(call, name=name, timeout=timeout)
        code = _code(call)
        if code is None or not code.co_flags & COROUTINE:
            raise TypeError("@app.workflow decorates an `async def` function")
        name = check_name("a workflow", name or call.__name__)
        _check_callable(name, call)
        _check_takes_input(name, call)
        first = self._find_workflow(name) or self.functions.get(name)
        if first is not None:
            raise ValueError(f"{name!r} is declared twice, first in line {first.place.line}; give one name=...")
        check_settings({"timeout": timeout})
        settings = {} if timeout is None else {"timeout": timeout}
        place = Place(os.path.abspath(code.co_filename), code.co_firstlineno)
        self.workflows[name] = Function(name, call, "workflow", None, [], settings, place)
        return call

    def dag(
        self,
        name: str,
        *,
        pools: dict[str, int] | None = None,
        schedule: str | None = None,
        tz: str = "UTC",
        catchup: bool = False,
        start: datetime.datetime | None = None,
    ) -> Dag:
        """Declares a DAG, a workflow of tasks that wait for one another: ``with app.dag("etl") as dag:``.

        :param pools: how many calls of the tasks of each pool run at once, within a run.
        :param schedule: a cron expression; a run starts at each of its points in time, with ``{"logical_date": …}``.
        :param tz: the IANA time zone of the schedule.
        :param catchup: dates that have passed without a run are made up for.
        :param start: the first of them, with a time zone; by default the first deploy.
        """
        self._check_free("a DAG", name)
        dag = self.dags[name] = Dag(self, name, pools, caller())
        if schedule is not None:
            dag.schedule = {"cron": schedule, "tz": tz, "catchup": bool(catchup)}
            if start is not None:
                if start.tzinfo is None:
                    raise ValueError("start has no time zone; write datetime(..., tzinfo=timezone.utc)")
                dag.schedule["start"] = start.isoformat()
        elif catchup or start is not None:
            raise ValueError("catchup and start belong to a schedule")
        return dag

    def trigger(
        self,
        on: Conditional,
        *,
        invoke: FunctionLike | list[FunctionLike] | None = None,
        emit: dict[str, str] | None = None,
        name: str | None = None,
        scope: str | None = None,
        optional: bool | None = None,
    ) -> None:
        """Declares a trigger of its own: it calls functions, or emits the event ``{"type", "subject"?}``, or both."""
        calls = [] if invoke is None else list(invoke) if isinstance(invoke, (list, tuple)) else [invoke]
        if not calls and emit is None:
            raise ValueError("a trigger does something: give invoke= or emit=")
        if emit is not None and (not isinstance(emit, dict) or "type" not in emit or set(emit) - {"type", "subject"}):
            raise ValueError('emit is {"type": ..., "subject": ...}, of which the subject may be absent')
        if name is not None:
            check_name("a trigger", name)
        for call in calls:
            self._name_of(call)
        settings = {"name": name, "emit": emit, "scope": scope, "optional": optional}
        check_settings({"scope": scope, "optional": optional})
        self.triggers.append(Trigger(self._condition(on), calls, settings, caller()))

    def definition(self, root: str | None = None) -> dict[str, Any]:
        """The app as a definition in JSON. ``root``: the folder that its files are relative to; by default that of
        the file that made the app."""
        from ._definition import describe

        return describe(self, os.path.realpath(root or os.path.dirname(self.place.file)))

    def test(
        self, start_time: datetime.datetime | None = None, seed: int = 0, binary: str | None = None
    ) -> TestApp:
        """The app on a stage, for tests: functions run in this process, time is virtual. A context manager.

        :param start_time: the time at the start, with a time zone; by default 2026-01-01 in UTC.
        :param seed: what chance follows from. With 0 functions are called in the order in which they became due, any
            other seed picks among those that are due.
        :param binary: the program ``sluice``; by default what the environment variable ``SLUICE`` names, else the one
            on the ``PATH``.
        """
        from ._testing import TestApp

        return TestApp(self, start_time, seed, binary)

    def _declare(
        self,
        name: str,
        call: Callable[..., Any] | None,
        runtime: str,
        on: Conditional | None,
        into: Into,
        settings: dict[str, Any],
        place: Place,
    ) -> Function:
        check_name("a function", name)
        if call is not None:
            _check_callable(name, call)
        if name in self.functions or name in self.workflows:
            first = (self.functions.get(name) or self.workflows[name]).place
            raise ValueError(f"two functions are named {name!r}, the first in line {first.line}; give one name=...")
        check_settings(settings)
        when = None if on is None else self._condition(on)
        given = {key: value for key, value in settings.items() if value is not None}
        self.functions[name] = Function(name, call, runtime, when, self._into(into), given, place)
        return self.functions[name]

    def _condition(self, on: Conditional) -> Condition:
        made = condition(on)
        for bucket in made.buckets():
            self._check_own(bucket)
        made.describe(self._name_of)
        return made

    def _into(self, into: Into) -> list[Bucket]:
        buckets = [] if into is None else list(into) if isinstance(into, (list, tuple)) else [into]
        for bucket in buckets:
            if not isinstance(bucket, Bucket):
                hint = f": write into=app.bucket({bucket!r})" if isinstance(bucket, str) else ""
                raise TypeError(f"into is a bucket or a list of buckets, not {type(bucket).__name__}{hint}")
            self._check_own(bucket)
            if bucket is self.input:
                raise ValueError("functions cannot put to app.input: it holds what a run starts with")
        if len({id(bucket) for bucket in buckets}) < len(buckets):
            raise ValueError("into names a bucket twice; name it once")
        return buckets

    def _find_workflow(self, name: str) -> Function | Dag | StateMachine | None:
        return self.workflows.get(name) or self.dags.get(name) or self.state_machines.get(name)

    def _check_free(self, what: str, name: str) -> None:
        check_name(what, name)
        first = self._find_workflow(name)
        if first is not None:
            raise ValueError(f"two workflows are named {name!r}, the first in line {first.place.line}; rename one")

    def _workflow_name(self, workflow: str | Dag | StateMachine | Callable[..., Any]) -> str:
        if isinstance(workflow, str):
            return workflow
        for declared in (*self.workflows.values(), *self.dags.values(), *self.state_machines.values()):
            if declared is workflow or getattr(declared, "call", None) is workflow:
                return declared.name
        name = getattr(workflow, "__name__", getattr(workflow, "name", repr(workflow)))
        raise ValueError(f"{name!r} is no workflow of {self!r} yet; declare it above")

    def _check_own(self, bucket: Bucket) -> None:
        if bucket.app is not self:
            raise ValueError(f"{bucket!r} belongs to {bucket.app!r}; declare it with the bucket() of {self!r}")

    def _name_of(self, function: FunctionLike) -> str:
        if isinstance(function, str):
            return function
        if isinstance(function, Task):
            return function.function
        for declared in self.functions.values():
            if declared is function or (declared.call is not None and declared.call is function):
                return declared.name
        name = getattr(function, "__name__", getattr(function, "name", repr(function)))
        raise ValueError(f"{name!r} is no function of {self!r} yet; declare it above with @app.function(...)")


def _words(command: list[str] | str) -> list[str] | str:
    words = command if isinstance(command, str) else list(command)
    if not words or not all(isinstance(word, str) for word in words):
        raise TypeError("command is a list of str: the program and its arguments")
    return words


def _check_takes_input(name: str, call: Callable[..., Any]) -> None:
    """A workflow is called with its context and its input. What wraps another function is as it says itself."""
    code = getattr(call, "__code__", None)
    if code is None or hasattr(call, "__self__"):
        return
    defaults = len(getattr(call, "__defaults__", None) or ())
    keywords = set(code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount])
    takes_two = code.co_argcount >= 2 or code.co_flags & VARARGS
    needs_more = code.co_argcount - defaults > 2 or keywords - set(getattr(call, "__kwdefaults__", None) or ())
    if not takes_two or needs_more:
        raise TypeError(f"workflow {name!r} is called with its context and its input: async def {name}(ctx, input)")


def _code(call: Callable[..., Any]) -> Any:
    while hasattr(call, "__wrapped__"):
        call = call.__wrapped__
    return getattr(call, "__code__", None)


def _uses(code: Any, name: str) -> bool:
    """Whether a function's own code, or a function within it, mentions a name."""
    inner = [constant for constant in getattr(code, "co_consts", ()) if hasattr(constant, "co_names")]
    return code is not None and (name in code.co_names or any(_uses(part, name) for part in inner))


def _check_callable(name: str, call: Callable[..., Any]) -> None:
    if not callable(call) or isinstance(call, type):
        raise TypeError(f"@app.function decorates a function, not {type(call).__name__}")
    code = _code(call)
    if code is not None and code.co_flags & ASYNC_GENERATOR:
        raise TypeError(f"{name!r} is an async generator; yield outputs from an ordinary generator (`def`)")
    qualified = getattr(call, "__qualname__", name)
    if "<" in qualified:
        raise ValueError(
            f"{qualified!r} cannot be found again by a worker; define the function at the top level of a file"
        )
