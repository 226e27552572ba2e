"""The workflows of one definition that a worker has under way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ._failure import Reported, stack_of
from ._instance import Diverged, Instance, value_of
from ._load import TURN, apps_of
from ._wire import COLD, COUNTED_NS_MAX, DIVERGED

#: Most workflows of one definition that a worker keeps under way; those that had no turn for longest are told everything
#: again.
INSTANCES_MAX = 2_000
#: What comes before a turn in which the worker is told everything.
NO_TURN = "-"


class Turns:
    """A workflow's code as a worker's function: each call is a turn."""

    shape = TURN
    puts: "dict[str, int]" = {}

    def __init__(self, name: str, call: Callable[..., Any], name_of: "Callable[[Any], str]") -> None:
        self.name, self.call = name, call
        self.ending_ns = COUNTED_NS_MAX
        self._name_of = name_of
        self._instances: "OrderedDict[str, Instance]" = OrderedDict()

    def turn(self, run: str, records: "list[Any]") -> "list[tuple[str, int, str | None, Any]]":
        """Tells what the records say, and gives what the code wants: key, content type code, content type, bytes."""
        _, after, number, seed = records[0].key.split()
        instance = self._instances.get(run)
        if after == NO_TURN:
            instance = Instance(self.call, run, self._name_of, int(seed))
        elif instance is None or instance.turn != int(after):
            raise Reported("Cold", "this worker does not run the workflow", "", COLD)
        self._instances[run] = instance
        self._instances.move_to_end(run)
        try:
            instance.go_on([(record.key, value_of(record)) for record in records[1:]])
        except BaseException as error:
            self._drop(run)
            if isinstance(error, Diverged):
                raise Reported("Diverged", str(error), stack_of(error), DIVERGED) from None
            raise
        instance.turn = int(number)
        commands, instance.commands = instance.commands, []
        if instance.is_over:
            self._drop(run)
        elif len(self._instances) > INSTANCES_MAX:
            self._drop(next(iter(self._instances)))
        return commands

    def _drop(self, run: str) -> None:
        self._instances.pop(run).drop()


def namer(module: ModuleType) -> "Callable[[Any], str]":
    """What finds the name of a function among the apps that a module declares."""
    apps = apps_of(module)

    def name_of(function: Any) -> str:
        for app in apps:
            for declared in app.functions.values():
                if declared is function or declared.call is function or declared.name == function:
                    return str(declared.name)
        if isinstance(function, str):
            return function
        name = getattr(function, "__name__", repr(function))
        raise ValueError(f"{name!r} is no function of the app; declare it with @app.function()")

    return name_of
