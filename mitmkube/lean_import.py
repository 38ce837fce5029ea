"""Imports mitmproxy's addons one by one.

The package ``mitmproxy.addons`` imports all its thirty addons, with what they need (LDAP, Flask, a flow filter), and
takes half of mitmproxy's start-up time. ``run`` needs four of them.
"""

from __future__ import annotations

import importlib.util
import sys

PACKAGE = "mitmproxy.addons"
_DEFINED_THERE = "default_addons"


def prepare() -> None:
    """Stand in for the package until somebody asks for what only it defines. Nothing, when it is imported already."""
    if PACKAGE in sys.modules:
        return
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.loader is not None
    loader, package = spec.loader, importlib.util.module_from_spec(spec)

    def load_it_all(name: str) -> object:
        """The module's ``__getattr__``: mitmproxy's own front ends want all addons after all."""
        if name != _DEFINED_THERE:
            raise AttributeError(f"module {PACKAGE!r} has no attribute {name!r}")
        del vars(package)["__getattr__"]
        loader.exec_module(package)
        return getattr(package, name)

    vars(package)["__getattr__"] = load_it_all
    sys.modules[PACKAGE] = package
