"""Callable packages: ``cardiograph.run`` is a package, and ``cardiograph.run(...)`` calls a function."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


def make_callable(package: str, target: str) -> None:
    """Make a package callable like the function with the same name.

    Args:
        package: ``__name__`` of the package, passed by its own ``__init__``.
        target: Function to call, as ``module:function``; the module is imported at the first call.
    """
    module, _, function = target.partition(":")

    class CallablePackage(ModuleType):
        def __call__(self, *args: Any, **settings: Any) -> Any:  # noqa: ANN401 - the function decides
            return getattr(importlib.import_module(module), function)(*args, **settings)

        @property
        def __wrapped__(self) -> Any:  # noqa: ANN401 - for inspect.signature
            return getattr(importlib.import_module(module), function)

    sys.modules[package].__class__ = CallablePackage
