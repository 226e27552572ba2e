"""Federated learning: many clients train a model where their data is, round by round, inside a workflow.

    @app.workflow
    async def learn(ctx, input):
        async for round in federated.rounds(
            ctx, first_model(), CLIENTS, train, average, count=30, per_round=20, threshold=0.65, timeout=60
        ):
            print(round.number, await ctx.call(evaluate, round.model))
        return round.model

Invariant: a client's update counts at most once in a round, and only in the round that it was made for. Nothing here
differs when the workflow runs again: chance follows from a seed, all else from what the workflow is told.
"""

from __future__ import annotations

import asyncio
import functools
import math
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ._duration import Span, seconds
from ._workflow import WorkflowContext

#: How often a round is restarted unless it is said otherwise.
RESTARTS = 10
#: What a fraction of a number of clients may be off by before it counts as one client more.
_ROUNDING = 1e-9


@dataclass
class Round:
    """A round that is over, and what came of the clients that were chosen for it. Clients are in order of arrival.

    A report that does not belong to the round is only counted: in ``late``, ``duplicate`` or ``stray``.
    """

    #: From 1.
    number: int
    #: The model after the round.
    model: Any = None
    #: The clients that were asked to train.
    chosen: list[str] = field(default_factory=list)
    #: Whose update is in the model.
    accepted: list[str] = field(default_factory=list)
    #: Whose update is not, because it was refused, and why.
    rejected: dict[str, str] = field(default_factory=dict)
    #: Whose function failed for good, and how.
    failed: dict[str, str] = field(default_factory=dict)
    #: Who had not answered when the round was closed; functions that still ran were stopped.
    missing: list[str] = field(default_factory=list)
    #: Who reported during this round for one that was closed, or for this one before it was restarted; each time.
    late: list[str] = field(default_factory=list)
    #: Who reported for this round again; each time.
    duplicate: list[str] = field(default_factory=list)
    #: Who reported without being asked, or for a round to come; ``?`` where the report does not say who; each time.
    stray: list[str] = field(default_factory=list)
    #: What ended it: ``threshold`` (enough updates), ``timeout``, or ``answers`` (all have answered, too few well).
    closed_by: str = ""
    #: How often it was begun: more than once when it was restarted.
    attempts: int = 0
    #: How long it took, with all its attempts, without the aggregation.
    seconds: float = 0.0

    def report(self) -> dict[str, Any]:
        """All of it but the model, as a workflow may return it."""
        return {found.name: getattr(self, found.name) for found in fields(self) if found.name != "model"}


class TooFewUpdates(Exception):
    """A round was restarted as often as it may be.

    :ivar round: how the last attempt ended.
    """

    def __init__(self, round: Round) -> None:
        super().__init__(
            f"round {round.number} was begun {round.attempts} times, at last with {len(round.accepted)} updates of "
            f"{len(round.chosen)} clients; lower the threshold, or close rounds with on_timeout='close'"
        )
        self.round = round


async def rounds(
    ctx: WorkflowContext,
    model: Any,
    clients: Sequence[str],
    train: Any,
    aggregate: Any,
    *,
    count: int,
    per_round: int | None = None,
    threshold: float = 1.0,
    timeout: Span | None = None,
    on_timeout: str = "close",
    restarts: int = RESTARTS,
    accept: Callable[[str, Any], Any] | None = None,
    reports: str | None = None,
    seed: Any = None,
) -> AsyncIterator[Round]:
    """Plays rounds and gives each when it is over. Leaving the loop ends the learning.

    :param model: what the first round begins with: JSON, bytes, NumPy arrays, or lists and dictionaries of these.
    :param clients: their names.
    :param train: the function of the app that has a client train: it gets ``{"client", "round", "model"}`` and returns
        an update; None says that the client declines.
    :param aggregate: the function of the app that makes the next model: it gets ``{"round", "model", "updates"}``, the
        updates by client, at least one.
    :param count: how many rounds.
    :param per_round: how many clients each round chooses; all by default.
    :param threshold: the fraction of the chosen clients whose updates suffice. Nobody waits for the others.
    :param timeout: how long an attempt of a round may take, more than 0 seconds; no limit by default.
    :param on_timeout: what happens then, or when all have answered and the updates do not suffice: ``"close"`` goes on
        with what there is (without any update the model stays as it is), ``"restart"`` chooses clients anew.
    :param restarts: how often a round may be restarted; after that :class:`TooFewUpdates` is raised.
    :param accept: called in the workflow with a client and its update. An update for which it returns something false is
        rejected, also one for which it raises: then the exception says why.
    :param reports: the name of an event in which clients report by themselves, as ``{"client", "round", "update"}``.
        ``train`` then only has to invite the client, and to return None.
    :param seed: what the choice of clients follows from; by default the run's own chance.
    """
    seed = ctx.random.getrandbits(64) if seed is None else seed
    limit = None if timeout is None else seconds("timeout", timeout)
    plan = _Plan(ctx, list(clients), train, per_round, threshold, limit, on_timeout, restarts, accept, reports, seed)
    for number in range(1, count + 1):
        round = Round(number)
        updates = await _play(plan, round, model)
        if updates:
            model = await ctx.call(aggregate, {"round": number, "model": model, "updates": updates})
        round.model = model
        yield round


@dataclass
class _Plan:
    """What is the same in every round."""

    ctx: WorkflowContext
    clients: list[str]
    train: Any
    per_round: int | None
    threshold: float
    timeout_seconds: float | None
    on_timeout: str
    restarts: int
    accept: Callable[[str, Any], Any] | None
    reports: str | None
    seed: Any

    def __post_init__(self) -> None:
        if not self.clients or not all(isinstance(client, str) for client in self.clients):
            raise ValueError("clients is a list of names (str), at least one")
        if len(set(self.clients)) < len(self.clients):
            raise ValueError("clients names a client twice")
        if self.per_round is not None and not 1 <= self.per_round <= len(self.clients):
            raise ValueError(f"per_round is from 1 to the number of clients, {len(self.clients)}, not {self.per_round}")
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold is a fraction above 0 and up to 1, not {self.threshold}")
        if self.timeout_seconds == 0:
            raise ValueError("timeout must be more than 0 seconds; None is no limit")
        if self.on_timeout not in ("close", "restart"):
            raise ValueError(f'on_timeout is "close" or "restart", not {self.on_timeout!r}')

    def choose(self, number: int, attempt: int) -> list[str]:
        """The clients of an attempt of a round."""
        if self.per_round is None:
            return list(self.clients)
        return random.Random(f"{self.seed}/{number}/{attempt}").sample(self.clients, self.per_round)

    def enough(self, chosen: int) -> int:
        """How many updates of so many clients suffice."""
        return max(1, math.ceil(self.threshold * chosen - _ROUNDING))

    def objection(self, client: str, update: Any) -> str | None:
        """Why an update is not accepted, if it is not."""
        if update is None:
            return "declined"
        try:
            return None if self.accept is None or self.accept(client, update) else "not accepted"
        except Exception as error:
            return f"{type(error).__name__}: {error}"


async def _play(plan: _Plan, round: Round, model: Any) -> dict[str, Any]:
    """Plays a round, again if it has to be, and gives the updates that came of it."""
    began, before = plan.ctx.time(), set[str]()
    while True:
        attempt = _Attempt(plan, round, before)
        await attempt.play(model)
        round.seconds = plan.ctx.time() - began
        if round.closed_by == "threshold" or plan.on_timeout == "close":
            return attempt.updates
        if round.attempts > plan.restarts:
            raise TooFewUpdates(round)
        before.update(round.chosen)


class _Attempt:
    """A round from its beginning until there are enough updates, or none can come any more.

    Invariant: every chosen client is either waited for or in one of ``accepted``, ``rejected`` and ``failed``.
    """

    def __init__(self, plan: _Plan, round: Round, before: set[str]) -> None:
        self.updates: dict[str, Any] = {}
        self._plan, self._round, self._before = plan, round, before
        round.attempts += 1
        round.chosen = plan.choose(round.number, round.attempts)
        round.accepted, round.rejected, round.failed = [], {}, {}
        self._waiting = dict.fromkeys(round.chosen)
        self._enough = plan.enough(len(round.chosen))
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def play(self, model: Any) -> None:
        """Has the clients train, and takes their updates until it is over."""
        plan, number = self._plan, self._round.number
        under_way: list[asyncio.Future[Any]] = []
        for client in self._round.chosen:
            call = plan.ctx.call(plan.train, {"client": client, "round": number, "model": model})
            under_way.append(asyncio.ensure_future(call))
            under_way[-1].add_done_callback(functools.partial(self._returned, client))
        if plan.reports is not None:
            under_way.append(asyncio.ensure_future(self._listen(plan.reports)))
        try:
            done, _ = await asyncio.wait([self._over], timeout=plan.timeout_seconds)
        finally:
            for awaited in under_way:
                awaited.cancel()
        self._round.closed_by = self._over.result() if done else "timeout"
        self._round.missing = list(self._waiting)

    def _returned(self, client: str, call: asyncio.Future[Any]) -> None:
        if call.cancelled():
            return
        error = call.exception()
        update = None if error is not None else call.result()
        if client not in self._waiting:
            self._round.duplicate.extend([] if update is None else [client])
        elif error is not None:
            self._round.failed[client] = str(error)
            self._answered(client)
        elif update is not None or self._plan.reports is None:
            self._take(client, update)

    async def _listen(self, name: str) -> None:
        while True:
            self._hear(await self._plan.ctx.wait_event(name))

    def _hear(self, report: Any) -> None:
        round = self._round
        try:
            client, number, update = report["client"], report["round"], report["update"]
        except (KeyError, TypeError):
            client, number, update = "?", None, None
        is_for_now = number == round.number
        if type(number) is not int or not isinstance(client, str) or number > round.number:
            round.stray.append(str(client))
        elif is_for_now and client in self._waiting and not self._over.done():
            self._take(client, update)
        elif is_for_now and client in round.chosen and client not in self._waiting:
            round.duplicate.append(client)
        elif not is_for_now or client in self._waiting or client in self._before:
            round.late.append(client)
        else:
            round.stray.append(client)

    def _take(self, client: str, update: Any) -> None:
        objection = self._plan.objection(client, update)
        if objection is None:
            self._round.accepted.append(client)
            self.updates[client] = update
        else:
            self._round.rejected[client] = objection
        self._answered(client)

    def _answered(self, client: str) -> None:
        del self._waiting[client]
        if not self._over.done() and len(self.updates) >= self._enough:
            self._over.set_result("threshold")
        elif not self._over.done() and not self._waiting:
            self._over.set_result("answers")
