"""The workflows of one definition that a worker has under way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from ._failure import Reported, stack_of
from ._instance import CHECKPOINT, Diverged, Instance
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

    def turn(
        self, run: str, after: str, number: int, seed: int, lines: "list[tuple[str, Any]]"
    ) -> "list[tuple[str, int, str | None, Any]]":
        """Tells the lines, and gives what the code wants: key, content type code, content type, bytes.

        :param after: the turn that the worker must have seen last.
        :param number: of this turn.
        """
        instance = self._instances.get(run)
        if after == NO_TURN:
            instance = Instance(self.call, run, self._names, seed)
        elif instance is None or instance.turn != int(after):
            raise Reported("Cold", "this worker does not run the workflow", "", COLD)
        self._instances[run] = instance
        self._instances.move_to_end(run)
        try:
            if after == NO_TURN:
                instance.begin(lines)
            else:
                instance.go_on(lines)
        except BaseException as error:
            self._drop(run)
            if isinstance(error, Diverged):
                raise Reported("Diverged", str(error), stack_of(error), DIVERGED) from None
            raise
        instance.turn = number
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

    def query(self, run: str, after: str, seed: int, lines: "list[tuple[str, Any]]") -> Any:
        """Answers a question, the last line: by the instance that is kept, or, told the journal, by one for this question
        alone."""
        *journal, (name, value) = lines
        kept = self._instances.get(run)
        if after != NO_TURN:
            if kept is None or kept.turn != int(after):
                raise Reported("Cold", "this worker does not run the workflow", "", COLD)
            return kept.answer(name, value)
        instance = self._replayed(run, seed, journal)
        try:
            return instance.answer(name, value)
        finally:
            instance.drop()

    def check(self, run: str, seed: int, journal: "list[tuple[str, Any]]") -> None:
        """Whether the code wants what the journal holds."""
        self._replayed(run, seed, journal).drop()

    def _replayed(self, run: str, seed: int, journal: "list[tuple[str, Any]]") -> Instance:
        """An instance that was told a journal, in silence."""
        instance = Instance(self.call, run, self._names, seed)
        try:
            with redirect_stdout(StringIO()):
                instance.begin(journal)
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
        return wanted if isinstance(wanted, str) else self._find("function", wanted)

    def workflow(self, wanted: Any) -> str:
        """The name of a workflow, given itself or by its name."""
        return wanted if isinstance(wanted, str) else self._find("workflow", wanted)

    def _find(self, kind: str, wanted: Any) -> str:
        for table in (getattr(app, f"{kind}s") for app in self._apps):
            for declared in table.values():
                if declared is wanted or declared.call is wanted:
                    return str(declared.name)
        name = getattr(wanted, "__name__", repr(wanted))
        raise ValueError(f"{name!r} is no {kind} of the app; declare it with @app.{kind}")
