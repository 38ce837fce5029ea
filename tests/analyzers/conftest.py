"""Recorded stories (stories/*.http, made by stories/record.py) as values for the tests beside this file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzers.command import CommandInfo, Story, display_argv
from analyzers.exchange import Exchange
from analyzers.readers import wire_text

STORIES = Path(__file__).parent / "stories"


@pytest.fixture
def exchanges() -> Callable[[str], tuple[Exchange, ...]]:
    """The recorded exchanges of a story, by its name."""
    return lambda name: wire_text.read((STORIES / f"{name}.http").read_text())


@pytest.fixture
def info() -> Callable[[str], CommandInfo]:
    """What is known of the recorded command: it stands in the second line of the recording."""

    def read(name: str) -> CommandInfo:
        line = next(
            line for line in (STORIES / f"{name}.http").read_text().splitlines() if line.startswith("# command ")
        )
        told = json.loads(line.removeprefix("# command "))
        return CommandInfo(
            argv=display_argv(told["argv"]),
            exit_status=told["exit_status"],
            server=told["server"],
            context="dev",
            cluster="dev",
        )

    return read


@pytest.fixture
def story(
    exchanges: Callable[[str], tuple[Exchange, ...]], info: Callable[[str], CommandInfo]
) -> Callable[[str], Story]:
    """A recorded story, judged."""
    return lambda name: Story.of(exchanges(name), info(name))
