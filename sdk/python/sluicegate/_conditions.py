"""Conditions: when a function is called.

A condition on objects begins with a bucket (``texts.each()``, ``counts.join(of=count)``); :func:`event` and
:func:`cron` begin with the outside world; :func:`all_of` and :func:`any_of` (``sg.all``, ``sg.any``) combine.
Durations are numbers of seconds or texts such as ``"500ms"``, ``"30s"``, ``"5m"``, ``"1h"``, ``"2d"``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Union

from ._duration import Duration, duration
from ._function import Function

if TYPE_CHECKING:
    from ._app import App

FunctionLike = Union[Function, Callable[..., Any], str]


class Condition:
    """When a trigger fires. Made by the methods of a bucket and by ``sg.event``, ``sg.cron``, ``sg.all``, ``sg.any``."""

    def __init__(self, keys: dict[str, Any], parts: tuple[Condition, ...] = (), bucket: Bucket | None = None) -> None:
        self._keys = keys
        self._parts = parts
        self._bucket = bucket

    def describe(self, name_of: Callable[[FunctionLike], str]) -> dict[str, Any]:
        """The condition as a definition writes it; ``name_of`` gives the name of a function."""
        described = dict(self._keys)
        if self._parts:
            (kind,) = described
            described[kind] = [part.describe(name_of) for part in self._parts]
        elif self._bucket is not None and not isinstance(described.get("of", 0), int):
            described["of"] = name_of(described["of"])
        return described

    def buckets(self) -> Iterator[Bucket]:
        """The buckets that the condition watches."""
        if self._bucket is not None:
            yield self._bucket
        for part in self._parts:
            yield from part.buckets()

    def __repr__(self) -> str:
        return f"Condition({self._keys!r})"


class Events(Condition):
    """For every matching event; its methods pass on several at once, as a list in the order of their arrival.

    These belong to the app (``scope="app"``, the default for them): each firing starts a run.
    """

    def batch(self, n: int, within: Duration | None = None) -> Condition:
        """For every ``n`` events, or fewer when the first has waited for ``within`` (seconds, or ``"5s"``)."""
        return self._gathering("batch", n=_count("n", n, "events"), within=duration("within", within))

    def window(self, seconds: Duration, slide: Duration | None = None, by: str | None = None) -> Condition:
        """For the events of every stretch of ``seconds``, one starting every ``slide`` (default: one after the other),
        separately for each value of the CEL expression ``by`` over ``event``."""
        return self._gathering(
            "window", seconds=duration("seconds", seconds), slide=duration("slide", slide), by=_cel("by", by)
        )

    def first(self, k: int, of: int) -> Condition:
        """When the first ``k`` of ``of`` expected events have arrived; after ``of`` it begins again."""
        k, of = _count("k", k, "events"), _count("of", of, "events")
        if k > of:
            raise ValueError(f"the first {k} of {of} events will never arrive; k can be {of} at most")
        return self._gathering("first", k=k, of=of)

    def _gathering(self, kind: str, **keys: Any) -> Condition:
        return Condition({kind: dict(self._keys), **{k: v for k, v in keys.items() if v is not None}})


class Watched:
    """A bucket, or a bucket seen through a filter: what conditions on objects begin with."""

    _bucket: Bucket
    _when: str | None = None

    def each(self) -> Condition:
        """For every object: one call per object."""
        return self._condition("each")

    def name(self, glob: str) -> Condition:
        """For every object whose key matches: ``*`` any characters but ``/``, ``**`` any, ``?`` one, ``[a-z]``, ``{a,b}``."""
        return self._condition("name", glob=_text("glob", glob))

    def set(self, keys: Iterable[str]) -> Condition:
        """Once, when an object of every key has arrived; the function gets them as a list in this order."""
        if isinstance(keys, str):
            raise TypeError(f"set() takes a list of keys: write set([{keys!r}])")
        listed = [_text("a key", key) for key in keys]
        if not listed:
            raise ValueError("set() of no keys never fires; name the keys")
        if len(set(listed)) < len(listed):
            raise ValueError("set() names a key twice; name every key once")
        return self._condition("set", keys=listed)

    def batch(self, n: int, within: Duration | None = None) -> Condition:
        """For every ``n`` objects, or fewer when the first has waited for ``within`` (seconds, or ``"5s"``)."""
        return self._condition("batch", n=_count("n", n), within=duration("within", within))

    def window(self, seconds: Duration, slide: Duration | None = None, by: str | None = None) -> Condition:
        """For the objects of every stretch of ``seconds``, one starting every ``slide`` (default: one after the
        other), separately for each value of the CEL expression ``by``."""
        return self._condition(
            "window", seconds=duration("seconds", seconds), slide=duration("slide", slide), by=_cel("by", by)
        )

    def first(self, k: int, of: int) -> Condition:
        """Once, when the first ``k`` of ``of`` expected objects have arrived."""
        k, of = _count("k", k), _count("of", of)
        if k > of:
            raise ValueError(f"the first {k} of {of} objects will never arrive; k can be {of} at most")
        return self._condition("first", k=k, of=of)

    def join(self, of: FunctionLike) -> Condition:
        """Once, when every call of the function ``of`` in this run is done, with all that it put to this bucket."""
        return self._condition("join", of=_function("join", of))

    def group(self, of: FunctionLike, by: str | None = None) -> Condition:
        """As :meth:`join`, but one call per group: that of ``ctx.put(..., group=)``, or the value of the CEL
        expression ``by``."""
        return self._condition("group", of=_function("group", of), by=_cel("by", by))

    def when(self, cel: str) -> Filtered:
        """The same bucket, seeing only objects for which the CEL expression over ``object`` holds."""
        text = _text("the expression", cel)
        return Filtered(self._bucket, text if self._when is None else f"({self._when}) && ({text})")

    def _condition(self, kind: str, **keys: Any) -> Condition:
        described = {kind: self._bucket.bucket_name, **{k: v for k, v in keys.items() if v is not None}}
        if self._when is not None:
            described["when"] = self._when
        return Condition(described, bucket=self._bucket)


class Bucket(Watched):
    """A named container of objects. Made by :meth:`App.bucket`; counts as ``each()`` where a condition belongs."""

    def __init__(self, app: App, name: str, keep: bool) -> None:
        self._bucket = self
        self.app = app
        self.bucket_name = name
        self.keep = keep

    def __repr__(self) -> str:
        return f"Bucket({self.bucket_name!r})"


class Filtered(Watched):
    """A bucket seen through ``when``; counts as ``each()`` where a condition belongs."""

    def __init__(self, bucket: Bucket, when: str) -> None:
        self._bucket = bucket
        self._when = when

    def __repr__(self) -> str:
        return f"{self._bucket!r}.when({self._when!r})"


Conditional = Union[Condition, Watched, "list[Any]"]


def event(
    type: str | None = None,
    source: str | None = None,
    subject: str | None = None,
    when: str | None = None,
) -> Events:
    """For every event whose attributes match; ``*`` in one is any characters, an absent one matches all. ``when``
    is a CEL expression over ``event``. A trigger with ``scope="app"`` starts a run per event; one of a run hears
    only while the run is open. ``.batch``, ``.window`` and ``.first`` pass on several events as a list."""
    named = {"type": type, "source": source, "subject": subject, "when": when}
    return Events({"event": {k: _text(k, v) for k, v in named.items() if v is not None}})


def cron(expr: str, tz: str = "UTC") -> Condition:
    """At points in time: five fields, or six with seconds first, in the IANA time zone ``tz``. Each point starts a
    run."""
    fields = len(_text("the cron expression", expr).split())
    if fields not in (5, 6) and not expr.startswith("@"):
        raise ValueError(f"{expr!r} has {fields} fields; cron takes minute hour day-of-month month day-of-week")
    return Condition({"cron": expr, "tz": _text("tz", tz)})


def all_of(*conditions: Conditional) -> Condition:
    """Once, when each has fired; the function gets the objects of all, in this order."""
    return _combined("all", conditions)


def any_of(*conditions: Conditional) -> Condition:
    """Whenever one of them fires."""
    return _combined("any", conditions)


def _combined(kind: str, conditions: Iterable[Conditional]) -> Condition:
    parts = tuple(condition(c) for c in conditions)
    if not parts:
        raise ValueError(f"sg.{kind}() of nothing never fires; give it conditions")
    return Condition({kind: []}, parts)


def condition(value: object) -> Condition:
    """What ``on=`` takes, as a condition: a bucket is ``each()``, a list is ``sg.any``."""
    if isinstance(value, Condition):
        return value
    if isinstance(value, Watched):
        return value.each()
    if isinstance(value, (list, tuple)):
        return any_of(*value)
    raise TypeError(
        f"{value!r} is not a condition: write for example on=texts.each(), on=counts.join(of=count) "
        'or on=sg.event(type="...")'
    )


def _text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{what} is empty")
    return value


def _cel(what: str, value: str | None) -> str | None:
    if callable(value):
        raise TypeError(f'{what} is a CEL expression in a str, such as by="object.value.city", not a function')
    return None if value is None else _text(what, value)


def _count(what: str, value: object, of: str = "objects") -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what} is a number of {of}, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{what} must be 1 or more, not {value}")
    return value


def _function(kind: str, of: object) -> Any:
    if not (callable(of) or isinstance(of, (str, Function))):
        raise TypeError(f"{kind}(of=...) takes the function to wait for, not {type(of).__name__}")
    return of
