"""DAGs: tasks that are calls of functions, and which of them waits for which."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Union

from ._conditions import FunctionLike
from ._duration import Duration, duration
from ._function import Function
from ._names import Place, caller, check_name
from ._settings import check_settings

if TYPE_CHECKING:
    from ._app import App

#: In which states of its upstream tasks a task runs.
RULES = (
    "all_success", "all_done", "all_failed", "one_failed", "one_success", "none_failed",
    "none_failed_min_one_success", "always",
)  # fmt: skip


class Task:
    """A task of a DAG. ``a >> b`` has ``b`` wait for ``a``; either may be a list. Called, it is the function itself."""

    def __init__(self, dag: Dag, name: str, function: str, call: Callable[..., Any] | None, place: Place) -> None:
        self.dag = dag
        self.name = name
        self.place = place
        #: The name of the function that it calls.
        self.function = function
        #: Its upstream tasks, in the order in which their results are passed.
        self.after: dict[str, Task] = {}
        #: The other keys of the definition: rule, map, retries, …
        self.settings: dict[str, Any] = {}
        if call is not None:
            self.__wrapped__ = call
            self.__doc__ = call.__doc__

    def __repr__(self) -> str:
        return f"Task({self.name!r})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(self, "__wrapped__"):
            raise TypeError(f"{self!r} calls the function {self.function!r}, which is not known here by its code")
        return self.__wrapped__(*args, **kwargs)

    def __rshift__(self, other: Tasks) -> Tasks:
        for task in listed(other):
            task._wait_for(self)
        return other

    def __lshift__(self, other: Tasks) -> Tasks:
        for task in listed(other):
            self._wait_for(task)
        return other

    def __rrshift__(self, other: Tasks) -> Task:
        for task in listed(other):
            self._wait_for(task)
        return self

    def __rlshift__(self, other: Tasks) -> Task:
        for task in listed(other):
            task._wait_for(self)
        return self

    def expand(self, over: Task) -> Task:
        """Has it called once for each element of the list that another task returns."""
        if not isinstance(over, Task):
            raise TypeError(f"expand takes the task that returns the list, not {type(over).__name__}")
        if set(self.settings) & {"branch", "sensor"}:
            raise ValueError(f"{self!r} is a branch or a sensor: it is called for all of its input at once")
        self._wait_for(over)
        self.settings["map"] = over.name
        return self

    def _wait_for(self, other: Task) -> None:
        if other.dag is not self.dag:
            raise ValueError(f"{other!r} is a task of {other.dag!r}, not of {self.dag!r}")
        if other is self:
            raise ValueError(f"{self!r} cannot wait for itself")
        self.after[other.name] = other

    def describe(self) -> dict[str, Any]:
        """The task as a definition writes it."""
        after = {"after": list(self.after)} if self.after else {}
        return {"call": self.function, **after, **self.settings}


Tasks = Union[Task, "list[Task]", "tuple[Task, ...]"]


class Dag:
    """A DAG. Made by ``app.dag()``; as a context manager it says where its tasks are declared."""

    def __init__(self, app: App, name: str, pools: dict[str, int] | None, place: Place) -> None:
        self.app = app
        self.name = name
        self.place = place
        self.tasks: dict[str, Task] = {}
        #: When runs start by themselves, as a definition writes it.
        self.schedule: dict[str, Any] | None = None
        self.pools = dict(pools or {})
        for pool, slots in self.pools.items():
            check_name("a pool", pool)
            if not isinstance(slots, int) or isinstance(slots, bool) or slots < 1:
                raise ValueError(f"pool {pool!r} has a whole number of slots, 1 or more, not {slots!r}")

    def __repr__(self) -> str:
        return f"Dag({self.name!r})"

    def __enter__(self) -> Dag:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def task(self, function: FunctionLike | None = None, *, name: str | None = None, **settings: Any) -> Any:
        """Declares a task, as a decorator or called with a function of the app.

        :param function: what it calls; a function that the app does not have yet is declared with it.
        :param name: its name in the DAG; by default that of the function.
        :param rule: in which states of its upstream tasks it runs; one of :data:`RULES`, ``"all_success"`` by default.
        :param retries: as of a function, in place of what that says.
        :param timeout: longest time from its first call to its end, retries included.
        :param priority: of several that could start, the highest goes first (default 0).
        :param pool: the pool of the DAG that its calls take slots of.
        :param with_: a JSON value: its calls get a list of objects, of which this is the first, with the key ``with``.
        """
        return self._declare(function, name, {}, settings)

    def branch(self, function: FunctionLike | None = None, *, name: str | None = None, **settings: Any) -> Any:
        """Declares a task that returns the name of the task directly downstream that follows, a list of names, or None.
        The others are skipped. Those that follow get what the branch got."""
        return self._declare(function, name, {"branch": True}, settings)

    def sensor(
        self,
        function: FunctionLike | None = None,
        *,
        name: str | None = None,
        interval: Duration | None = None,
        soft_fail: bool | None = None,
        **settings: Any,
    ) -> Any:
        """Declares a task that is called again until it returns something true, which is its result.

        :param interval: from the end of one call to the next (default a minute).
        :param timeout: longest time that it waits (default 7 days).
        :param soft_fail: it counts as skipped, not as failed, when it fails or waits too long.
        """
        if interval is not None:
            duration("interval", interval)
        own = {"sensor": True, "interval": interval, "soft_fail": soft_fail}
        return self._declare(function, name, {k: v for k, v in own.items() if v is not None}, settings)

    def describe(self) -> dict[str, Any]:
        """The DAG as a definition writes it."""
        described: dict[str, Any] = {"tasks": {name: task.describe() for name, task in self.tasks.items()}}
        if self.pools:
            described["pools"] = self.pools
        if self.schedule is not None:
            described["schedule"] = self.schedule
        return described

    def _declare(
        self, function: FunctionLike | None, name: str | None, kind: dict[str, Any], settings: dict[str, Any]
    ) -> Any:
        if function is None:
            return lambda function: self._declare(function, name, kind, settings)
        given = {key: value for key, value in settings.items() if value is not None}
        _check(given)
        if "with_" in given:
            given["with"] = given.pop("with_")
        if isinstance(function, Task):
            function = function.function
        called, call = self._function(function)
        task_name = check_name("a task", name or (call.__name__ if call is not None else called))
        if task_name in self.tasks:
            first = self.tasks[task_name].place
            raise ValueError(f"two tasks are named {task_name!r}, the first in line {first.line}; give one name=...")
        task = Task(self, task_name, called, call, caller())
        task.settings = {**kind, **given}
        self.tasks[task_name] = task
        return task

    def _function(self, function: FunctionLike) -> tuple[str, Callable[..., Any] | None]:
        """The name of a function in the app, which gets it if it does not have it, and its code."""
        if isinstance(function, (str, Function)):
            declared = self.app.functions.get(self.app._name_of(function))
            return self.app._name_of(function), declared.call if declared else None
        for declared in self.app.functions.values():
            if declared.call is function:
                return declared.name, function
        name = getattr(function, "__name__", "")
        if name in self.app.functions or name in self.app.workflows or name in self.app.dags:
            name = f"{self.name}.{name}"
        self.app.function(name=name)(function)
        return name, function


def chain(*tasks: Tasks) -> None:
    """Has each wait for the one before it. Two lists of equal length one after the other are linked in pairs."""
    for first, second in zip(tasks, tasks[1:]):
        firsts, seconds = listed(first), listed(second)
        is_pairs = isinstance(first, (list, tuple)) and isinstance(second, (list, tuple))
        if is_pairs and len(firsts) != len(seconds):
            raise ValueError(f"chain links lists of equal length, not of {len(firsts)} and {len(seconds)}")
        pairs: Iterable[tuple[Task, Task]] = (
            zip(firsts, seconds) if is_pairs else ((a, b) for a in firsts for b in seconds)
        )
        for before, after in pairs:
            after._wait_for(before)


def listed(tasks: Tasks) -> list[Task]:
    """One task or several, as a list."""
    found = list(tasks) if isinstance(tasks, (list, tuple)) else [tasks]
    for task in found:
        if not isinstance(task, Task):
            raise TypeError(f"tasks are linked with tasks and lists of them, not with {type(task).__name__}")
    return found


def _check(settings: dict[str, Any]) -> None:
    unknown = set(settings) - {"rule", "retries", "timeout", "priority", "pool", "with_"}
    if unknown:
        raise TypeError(
            f"{min(unknown)!r} is not a setting of a task; known are pool, priority, retries, rule, timeout, with_. "
            "Settings of the function go to @app.function"
        )
    check_settings({key: settings[key] for key in ("retries", "timeout") if key in settings})
    if settings.get("rule", RULES[0]) not in RULES:
        raise ValueError(f"rule is one of {', '.join(RULES)}, not {settings['rule']!r}")
    priority = settings.get("priority", 0)
    if not isinstance(priority, int) or isinstance(priority, bool):
        raise TypeError(f"priority is a whole number, not {priority!r}")
    if "pool" in settings:
        check_name("a pool", settings["pool"])
