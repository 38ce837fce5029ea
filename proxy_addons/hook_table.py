"""Hooks looked up once, and called without a task where none of them has to be awaited.

mitmproxy looks every hook up in every addon on every event, which is the largest single cost of a small request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

from mitmproxy import addonmanager, exceptions, flow, hooks, master


class HookTable(addonmanager.AddonManager):
    """An addon manager that remembers who has which hook; the memory ends when an addon comes or goes."""

    def __init__(self, owner: master.Master) -> None:
        super().__init__(owner)  # type: ignore[no-untyped-call]
        self._hooks: dict[str, list[Callable[..., Any]]] = {}

    @classmethod
    def take_over(cls, manager: addonmanager.AddonManager) -> None:
        """Make a table of a manager that has its addons already: mitmweb's master fills its own."""
        manager.__class__ = cls
        vars(manager)["_hooks"] = {}

    def register(self, addon: object) -> object:
        self._hooks.clear()
        return super().register(addon)  # type: ignore[no-untyped-call]

    def remove(self, addon: object) -> None:
        super().remove(addon)  # type: ignore[no-untyped-call]
        self._hooks.clear()

    def start(self, event: hooks.Hook) -> Awaitable[None] | None:
        """Call every addon that has the hook. Returns what is left to be awaited, None when that is nothing."""
        found = self._found(event)
        # mitmproxy makes an update event of each event of a flow, for front ends.
        listeners = self._found(_UPDATE)
        if not found and not listeners:
            return None
        arguments = [getattr(event, name) for name in _argument_names(type(event))]
        unfinished = _call([(hook, arguments) for hook in found])
        if not listeners or not isinstance(arguments[0], flow.Flow):
            return unfinished
        updates: _Calls = [(hook, [[arguments[0]]]) for hook in listeners]
        return _call(updates) if unfinished is None else _then(unfinished, updates)

    async def handle_lifecycle(self, event: hooks.Hook) -> None:
        if (unfinished := self.start(event)) is not None:
            await unfinished

    async def trigger_event(self, event: hooks.Hook) -> None:
        arguments = event.args()
        if (unfinished := _call([(hook, arguments) for hook in self._found(event)])) is not None:
            await unfinished

    def _found(self, event: hooks.Hook) -> list[Callable[..., Any]]:
        found = self._hooks.get(event.name)
        if found is None:
            found = [hook for addon in self.chain for _, hook in self._iter_hooks(addon, event)]
            self._hooks[event.name] = found
        return found


type _Calls = list[tuple[Callable[..., Any], list[Any]]]

_UPDATE = hooks.UpdateHook([])
_names: dict[type[hooks.Hook], tuple[str, ...]] = {}


def _argument_names(kind: type[hooks.Hook]) -> tuple[str, ...]:
    """The fields of a hook, as its own ``args()`` asks for them again on every event."""
    if (found := _names.get(kind)) is None:
        found = _names[kind] = tuple(field.name for field in fields(kind))  # type: ignore[arg-type]
    return found


def _call(calls: _Calls) -> Awaitable[None] | None:
    for place, (hook, arguments) in enumerate(calls, start=1):
        try:
            result = hook(*arguments)
        except exceptions.AddonHalt:
            return None
        except Exception as error:
            _report(error)  # mitmproxy's way around costs as much as a hook, so it is not around each
            continue
        if result is not None and hasattr(result, "__await__"):
            return _await(result, calls[place:])
    return None


def _report(error: Exception) -> None:
    """Log it as mitmproxy does; raise what it raises."""
    with addonmanager.safecall():
        raise error


async def _then(unfinished: Awaitable[None], rest: _Calls) -> None:
    await unfinished
    if (more := _call(rest)) is not None:
        await more


async def _await(result: Awaitable[object], rest: _Calls) -> None:
    try:
        with addonmanager.safecall():
            await result
    except exceptions.AddonHalt:
        return
    if (unfinished := _call(rest)) is not None:
        await unfinished
