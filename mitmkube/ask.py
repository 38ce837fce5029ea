"""``run --ask``: after the command, a few GETs as the same identity, to tell the rest of the story.

kubectl itself asks, through the proxy that still runs: so the credential comes from where the command had it, and none
is kept. ``kubectl get --raw PATH`` sends exactly one request, and can send nothing but a GET.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from typing import TYPE_CHECKING

from analyzers.questions import questions
from mitmkube.kubectl_argv import KubectlArgv

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzers.command import Story
    from analyzers.exchange import Exchange
    from mitmkube.plan import Plan

SECONDS = 5
"""How long one answer may take."""

_GRACE_SECONDS = 1
# Flags that say which server and which identity; what else the command was told is not for these requests.
_IDENTITY_FLAGS = frozenset({
    "as", "as-group", "as-uid", "as-user-extra", "client-certificate", "client-key", "cluster", "context",
    "disable-compression", "insecure-skip-tls-verify", "password", "proxy-url", "server", "tls-server-name", "token",
    "user", "username",
})  # fmt: skip


async def ask(prepared: Plan, story: Story) -> tuple[str, ...]:
    """Ask what the story leaves open. Returns what is to be said where it could not be asked; never raises."""
    cause, paths = story.cause, questions(story)
    if cause is None or not paths or story.info.signal:
        return ()
    command = _kubectl(prepared)
    if not command:
        return ("--ask needs kubectl, and there is none on PATH.",)
    if cause.exchange.cluster not in ("", prepared.selection.cluster_name):
        return ("--ask did not ask: the command went to another cluster than the kubeconfig's current context.",)
    for path in paths:
        limit = f"--request-timeout={SECONDS}s"
        await asyncio.to_thread(_run, [*command, limit, "get", "--raw", path], prepared.environ)
    return ()


def told_apart(exchanges: Sequence[Exchange]) -> tuple[list[Exchange], tuple[str, ...]]:
    """``exchanges`` without the answers that another identity than the command's got, and a sentence if there are any.

    A program may log in as another user than the one that kubectl takes from the same kubeconfig.
    """
    command = {_who(one) for one in exchanges if not one.asked and not one.tunnel}
    kept = [one for one in exchanges if not one.asked or (not one.tunnel and _who(one) in command)]
    strange = any(one.asked and not one.tunnel and _who(one) not in command for one in exchanges)
    return kept, ("--ask was answered as another identity than the command's; that was left out.",) if strange else ()


def _who(exchange: Exchange) -> tuple[object, ...]:
    """Tokens may be renewed in between: what counts is whose they are."""
    credential, connection = exchange.credential, exchange.connection
    acting = tuple(value for key, value in exchange.request.headers if key.lower().startswith("impersonate-"))
    return (
        (credential.kind, credential.subject, credential.username) if credential is not None else (),
        connection.client_certificates if connection is not None else (),
        acting,
    )


def _kubectl(prepared: Plan) -> list[str]:
    """The kubectl that ran, with the flags that chose server and identity; else the one on PATH with none."""
    parsed = KubectlArgv.parse(prepared.argv)
    if parsed is None or parsed.plugin:
        found = shutil.which("kubectl", path=prepared.environ.get("PATH"))
        return [found] if found else []
    flags = [flag for flag in parsed.flags if flag.name in _IDENTITY_FLAGS]
    return [parsed.argv[0], *(part for flag in flags for part in parsed.argv[flag.start : flag.end])]


def _run(argv: list[str], environ: dict[str, str]) -> None:
    nothing = subprocess.DEVNULL
    try:
        subprocess.run(
            argv,
            env=environ,
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            timeout=SECONDS + _GRACE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return  # what was not answered is not there
