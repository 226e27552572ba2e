"""The workflows of one definition that a worker has under way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from ._failure import Reported, stack_of
from ._instance import CHECKPOINT, Diverged, Instance, value_of
from ._load import TURN
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

    def __init__(
        self, name: str, call: Callable[..., Any], names: "Names", forgets_at_checkpoints: bool = False
    ) -> None:
        self.name, self.call = name, call
        self._forgets_at_checkpoints = forgets_at_checkpoints
        self.ending_ns = COUNTED_NS_MAX
        self._names = names
        self._instances: "OrderedDict[str, Instance]" = OrderedDict()

    def turn(self, run: str, records: "list[Any]") -> "list[tuple[str, int, str | None, Any]]":
        """Tells what the records say, and gives what the code wants: key, content type code, content type, bytes."""
        _, after, number, seed = records[0].key.split()
        instance = self._instances.get(run)
        if after == NO_TURN:
            instance = Instance(self.call, run, self._names, int(seed))
        elif instance is None or instance.turn != int(after):
            raise Reported("Cold", "this worker does not run the workflow", "", COLD)
        self._instances[run] = instance
        self._instances.move_to_end(run)
        try:
            lines = [(record.key, value_of(record)) for record in records[1:]]
            if after == NO_TURN:
                instance.begin(lines)
            else:
                instance.go_on(lines)
        except BaseException as error:
            self._drop(run)
            if isinstance(error, Diverged):
                raise Reported("Diverged", str(error), stack_of(error), DIVERGED) from None
            raise
        instance.turn = int(number)
        commands, instance.commands = instance.commands, []
        forgets = self._forgets_at_checkpoints and any(_is_checkpoint(key) for key, *_ in commands)
        if instance.is_over or forgets:
            self._drop(run)
        elif len(self._instances) > INSTANCES_MAX:
            self._drop(next(iter(self._instances)))
        return commands

    def forget(self) -> None:
        """Forgets all that is under way, as a worker that crashes does."""
        for run in list(self._instances):
            self._drop(run)

    def query(self, run: str, records: "list[Any]") -> Any:
        """Answers a question: by the instance that is kept, or, told the journal, by one for this question alone."""
        _, after, _, seed = records[0].key.split()
        kept = self._instances.get(run)
        if after != NO_TURN:
            if kept is None or kept.turn != int(after):
                raise Reported("Cold", "this worker does not run the workflow", "", COLD)
            return kept.answer(records[-1].key, value_of(records[-1]))
        instance = self._replayed(run, int(seed), records[1:-1])
        try:
            return instance.answer(records[-1].key, value_of(records[-1]))
        finally:
            instance.drop()

    def check(self, run: str, records: "list[Any]") -> None:
        """Whether the code wants what the journal holds."""
        self._replayed(run, int(records[0].key.split()[3]), records[1:]).drop()

    def _replayed(self, run: str, seed: int, records: "list[Any]") -> Instance:
        """An instance that was told a journal, in silence."""
        instance = Instance(self.call, run, self._names, seed)
        try:
            with redirect_stdout(StringIO()):
                instance.begin([(record.key, value_of(record)) for record in records])
        except Diverged as error:
            instance.drop()
            raise Reported("Diverged", str(error), stack_of(error), DIVERGED) from None
        return instance

    def _drop(self, run: str) -> None:
        self._instances.pop(run).drop()


def _is_checkpoint(key: str) -> bool:
    return key.partition(" ")[2].startswith(CHECKPOINT)


class Names:
    """Finds the names of functions and workflows among those that apps declare."""

    def __init__(self, apps: "list[Any]") -> None:
        self._apps = apps

    def function(self, wanted: Any) -> str:
        """The name of a function, given itself or by its name."""
        return self._find("function", [app.functions for app in self._apps], wanted)

    def workflow(self, wanted: Any) -> str:
        """The name of a workflow, given itself or by its name."""
        return self._find("workflow", [app.workflows for app in self._apps], wanted)

    def _find(self, kind: str, tables: "list[dict[str, Any]]", wanted: Any) -> str:
        if isinstance(wanted, str):
            return wanted
        for table in tables:
            for declared in table.values():
                if declared is wanted or declared.call is wanted:
                    return str(declared.name)
        name = getattr(wanted, "__name__", repr(wanted))
        raise ValueError(f"{name!r} is no {kind} of the app; declare it with @app.{kind}")
