"""Commands that take their options as a dataclass, while Typer sees one option per field."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, get_type_hints


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Replace each dataclass parameter of a command by the fields of the dataclass.

    Args:
        function: A command. A parameter that is annotated with a dataclass receives an instance of it; the fields are
            annotated as Typer parameters. Fields of two dataclasses, and other parameters, have different names.

    Returns:
        A function with keyword-only parameters, in the order in which ``--help`` lists them.
    """
    hints = get_type_hints(function, include_extras=True)
    parameters: list[Parameter] = []
    groups: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if dataclasses.is_dataclass(hints[name]):
            groups[name] = hints[name]
            parameters += _field_parameters(hints[name])
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[name]))

    def command(**given: Any) -> None:  # noqa: ANN401 - the values that Typer parsed
        objects = {
            name: kind(**{field.name: given.pop(field.name) for field in dataclasses.fields(kind)})
            for name, kind in groups.items()
        }
        function(**given, **objects)

    command.__name__, command.__doc__, command.__module__ = function.__name__, function.__doc__, function.__module__
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _field_parameters(kind: Any) -> list[Parameter]:  # noqa: ANN401 - any dataclass
    hints = get_type_hints(kind, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is dataclasses.MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(kind)
    ]
