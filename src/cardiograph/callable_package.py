"""Packages that can be called, so that ``cardiograph.run(...)`` is a function and ``cardiograph.run`` a package."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


def make_callable(package: str, target: str) -> None:
    """Let a package be called like the function that it is named after.

    Args:
        package: Its ``__name__``, from its own ``__init__``.
        target: ``module:function``; the module is imported at the first call.
    """
    module, _, function = target.partition(":")

    class CallablePackage(ModuleType):
        def __call__(self, *args: Any, **settings: Any) -> Any:  # noqa: ANN401 - the function decides
            return getattr(importlib.import_module(module), function)(*args, **settings)

        @property
        def __wrapped__(self) -> Any:  # noqa: ANN401 - for inspect.signature
            return getattr(importlib.import_module(module), function)

    sys.modules[package].__class__ = CallablePackage
