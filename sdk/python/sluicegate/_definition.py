"""The definition of an app in its JSON form, as ``sluice`` takes it."""

from __future__ import annotations

import os
from typing import Any

from ._app import App
from ._function import Function, Trigger
from ._names import Place


def describe(app: App, root: str) -> dict[str, Any]:
    """The definition; its files, and the places in ``source``, are relative to the folder ``root``."""
    definition: dict[str, Any] = {"app": app.name, "durability": app.durability}
    if app.network is not None:
        definition["network"] = app.network
    definition["buckets"] = {name: {"keep": bucket.keep} for name, bucket in app.buckets.items()}
    definition["functions"] = {name: _function(app, function, root) for name, function in app.functions.items()}
    workflows = {name: _workflow(workflow, root) for name, workflow in app.workflows.items()}
    workflows.update({name: {"dag": dag.describe()} for name, dag in app.dags.items()})
    workflows.update({name: machine.describe() for name, machine in app.state_machines.items()})
    if workflows:
        definition["workflows"] = workflows
    definition["triggers"] = [_trigger(app, trigger) for trigger in app.triggers]
    definition["source"] = {path: _place(place, root) for path, place in _places(app).items()}
    return definition


def _function(app: App, function: Function, root: str) -> dict[str, Any]:
    described: dict[str, Any] = {"runtime": function.runtime}
    if function.call is not None:
        described["handler"] = f"{_handler_file(function, root)}:{function.call.__qualname__}"
    if function.on is not None:
        described["on"] = function.on.describe(app._name_of)
    if function.into:
        described["into"] = [bucket.bucket_name for bucket in function.into]
    return {**described, **function.settings}


def _workflow(workflow: Function, root: str) -> dict[str, Any]:
    assert workflow.call is not None
    return {"code": f"{_handler_file(workflow, root)}:{workflow.call.__qualname__}", **workflow.settings}


def _handler_file(function: Function, root: str) -> str:
    relative = os.path.relpath(os.path.realpath(function.place.file), root)
    if relative.startswith(os.pardir + os.sep) or os.path.isabs(relative):
        raise ValueError(
            f"the function {function.name!r} is defined in {function.place.file}, outside the app's folder {root}; "
            "define a function in the folder that calls it"
        )
    return relative.replace(os.sep, "/")


def _trigger(app: App, trigger: Trigger) -> dict[str, Any]:
    described = {"on": trigger.on.describe(app._name_of), **trigger.settings}
    if trigger.invoke:
        described["invoke"] = [app._name_of(function) for function in trigger.invoke]
    return {key: value for key, value in described.items() if value is not None}


def _places(app: App) -> dict[str, Place]:
    places = {"app": app.place, **app._places}
    places.update({f"functions.{name}": function.place for name, function in app.functions.items()})
    places.update({f"workflows.{name}": workflow.place for name, workflow in app.workflows.items()})
    places.update({f"workflows.{name}": machine.place for name, machine in app.state_machines.items()})
    for name, dag in app.dags.items():
        places[f"workflows.{name}"] = dag.place
        places.update({f"workflows.{name}.dag.tasks.{task.name}": task.place for task in dag.tasks.values()})
    places.update({f"triggers.{i}": trigger.place for i, trigger in enumerate(app.triggers)})
    return places


def _place(place: Place, root: str) -> str:
    file = os.path.realpath(place.file)
    relative = os.path.relpath(file, root)
    return f"{file if relative.startswith(os.pardir) else relative}:{place.line}"
