"""A command that takes a dataclass shows one option per field."""

import inspect
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from cardiograph.cli.app import app
from cardiograph.cli.signature import with_options


@dataclass(frozen=True, kw_only=True)
class Colour:
    name: Annotated[str, typer.Option(help="Name.")]
    shade: Annotated[int, typer.Option("--dark", help="Shade.")] = 3


received = []


@with_options
def paint(
    wall: Annotated[str, typer.Argument(help="Wall.")],
    *,
    coats: Annotated[int, typer.Option(help="Coats.")] = 1,
    colour: Colour,
) -> None:
    """Paint a wall."""
    received.append((wall, coats, colour))


program = typer.Typer()
program.command()(paint)


def test_fields_stand_in_the_signature_in_place_of_the_object():
    parameters = inspect.signature(paint).parameters
    assert list(parameters) == ["wall", "coats", "name", "shade"]
    assert parameters["name"].default is inspect.Parameter.empty
    assert parameters["shade"].default == 3
    assert (paint.__name__, paint.__doc__) == ("paint", "Paint a wall.")


def test_the_command_receives_the_object():
    assert CliRunner().invoke(program, ["north", "--name", "red", "--dark", "5"]).exit_code == 0
    assert received.pop() == ("north", 1, Colour(name="red", shade=5))
    assert CliRunner().invoke(program, ["north"]).exit_code == 2, "a field without a default is required"


@pytest.mark.parametrize("name", ["run", "audit", "ladder", "compare", "evaluate", "extend", "predict", "serve"])
def test_no_command_has_more_than_ten_parameters_of_its_own(name):
    command = next(each.callback for each in app.registered_commands if each.callback.__name__ == name)
    function = inspect.getclosurevars(command).nonlocals["function"]
    assert len(inspect.signature(function).parameters) <= 10


@pytest.mark.parametrize("name", ["run", "audit", "ladder", "compare", "evaluate", "extend", "config", "demo"])
def test_every_command_that_makes_settings_takes_assignments(name):
    command = next(each.callback for each in app.registered_commands if each.callback.__name__ == name)
    assert "set_" in inspect.signature(command).parameters
