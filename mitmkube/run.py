"""``mitmkube run -- COMMAND``: the command, unchanged, through a proxy of its own; then the report."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gc
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from analyzers.command import CommandInfo, Story, display_argv
from analyzers.kubeconfig import KubeconfigError
from analyzers.output import har as har_output
from analyzers.output import json as json_output
from analyzers.output import text as text_output
from mitmkube import authority, child, lean_import, output_files, stderr
from mitmkube.ask import ask, told_apart
from mitmkube.errors import UserError
from mitmkube.kept import Kept
from mitmkube.plan import OVERLAY, plan
from mitmkube.private_files import make_private_folder
from proxy_addons.limits import Limits

if TYPE_CHECKING:
    from mitmproxy import http

    from analyzers.exchange import Exchange
    from mitmkube.har_recording import HarRecording
    from mitmkube.plan import Plan
    from mitmkube.proxy import ProxyMaster

AUTHORITY_LIFETIME = dt.timedelta(days=1)
# A client that was ended may have left a flow open; its end takes a moment to arrive.
SETTLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What was asked for on the command line."""

    argv: tuple[str, ...]
    keep_flows: int
    limits: Limits
    steps: bool = False
    quiet: bool = False
    report: Path | None = None
    har: Path | None = None
    json: Path | None = None
    ask: bool = False


def run(options: RunOptions, environ: Mapping[str, str]) -> int:
    """Run the command and report. Returns the exit status to end with; raises UserError."""
    options = replace(
        options,
        report=options.report and output_files.check_writable(options.report),
        har=options.har and output_files.check_writable(options.har),
        json=options.json and output_files.check_writable(options.json),
    )
    try:
        with child.Signals() as signals, _folder(environ) as folder:
            return asyncio.run(_run(options, environ, folder, signals))
    except KubeconfigError as error:
        raise UserError(str(error)) from error


@contextlib.contextmanager
def _folder(environ: Mapping[str, str]) -> Iterator[Path]:
    folder = make_private_folder(environ)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _run(options: RunOptions, environ: Mapping[str, str], folder: Path, signals: child.Signals) -> int:
    # mitmproxy takes its time to import, and bad input should not
    lean_import.prepare()
    from mitmkube.proxy import ProxyMaster
    from proxy_addons import kube_addons
    from proxy_addons.recorder import Recorder
    from proxy_addons.tunnels import Tunnels

    now = dt.datetime.now(dt.UTC)
    ca = authority.create(folder, now, AUTHORITY_LIFETIME)
    prepared = plan(options.argv, environ, secrets.token_urlsafe(24))
    kept = Kept(options.keep_flows)
    har = _har(options)

    asking = False

    def keep(exchange: Exchange, flow: http.HTTPFlow) -> None:
        kept.add(replace(exchange, asked=asking))
        # What is asked afterwards goes into the HAR once it is known whose answer it is.
        if har is not None and not asking:
            har.add(exchange, flow)

    look = har.look if har is not None else None
    recorder = Recorder(tunnels := Tunnels(prepared.upstreams), keep, look, options.limits)
    master = ProxyMaster([*kube_addons(tunnels), recorder], folder)
    prepared.write_overlay(folder / OVERLAY, await master.start(), ca)

    # What was imported stays to the end, and so do most exchanges: looking at them again and again finds nothing.
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    started = time.time()
    try:
        ended = await child.run(prepared.argv, prepared.environ, signals)
        await _settle(master)
        recorder.flush()
        info = replace(_info(options, prepared, started), exit_status=ended.exit_status, signal=ended.signal)
        if options.ask:
            asking = True
            unasked = await ask(prepared, Story.of(kept.exchanges, info, left_out=kept.left_out))
            await _settle(master)
            recorder.flush()
            info = replace(info, notices=unasked)
    except (child.CannotStart, SystemExit):
        if har is not None:
            har.discard()
        raise
    finally:
        notices = prepared.carry_back()
        await master.stop()
    exchanges, others = told_apart(kept.exchanges)
    own = (*prepared.notices, *notices, *_nothing_sent(prepared, exchanges))
    info = replace(info, notices=(*own, *info.notices, *others))
    story = Story.of(exchanges, info, left_out=kept.left_out)
    _hand_over(options, story, har)
    gc.freeze()  # or Python looks at all of it once more before it ends: 0.1 s
    return ended.status


def _info(options: RunOptions, prepared: Plan, started: float) -> CommandInfo:
    """What is known of a command that has just ended, except how."""
    chosen = prepared.selection
    return CommandInfo(
        argv=display_argv(options.argv),
        context=chosen.context,
        cluster=chosen.cluster_name,
        server=chosen.cluster.server if chosen.cluster else "",
        user=chosen.user_name,
        credential=prepared.credential,
        namespace=chosen.namespace,
        kubeconfig=tuple(str(path) for path in prepared.kubeconfig.files),
        started=started,
        ended=time.time(),
    )


def _har(options: RunOptions) -> HarRecording | None:
    """None where there is to be no HAR, and where it is written to a stream in the end. Raises UserError."""
    if options.har is None or output_files.is_stream(options.har):
        return None
    from mitmkube.har_recording import HarRecording

    return HarRecording(options.har)


def _nothing_sent(prepared: Plan, exchanges: list[Exchange]) -> tuple[str, ...]:
    """Why the proxy saw no request, as far as the kubeconfig and the command line tell."""
    chosen, kubectl = prepared.selection, prepared.invocation.kubectl
    if exchanges:
        return ()
    if not prepared.invocation.upstreams:
        return ("Nothing was sent through the proxy: no kubeconfig names a cluster that could be asked.",)
    flags = kubectl is not None and any(map(kubectl.has, ("token", "client-certificate", "username")))
    if kubectl is not None and chosen.cluster is not None and not (flags or (chosen.user and chosen.user.kinds)):
        who = f"User {chosen.user_name}" if chosen.user_name else "The context's user"
        return (f"{who} has no credential in the kubeconfig, so kubectl asks for a user name.",)
    return ("Nothing was sent through the proxy: the command needed no API server, or does not read KUBECONFIG.",)


async def _settle(master: ProxyMaster) -> None:
    """Wait until the child's connections have been seen to close."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while master.server.connections and time.monotonic() < deadline:
        await asyncio.sleep(0.005)


def _hand_over(options: RunOptions, story: Story, har: HarRecording | None) -> None:
    """The report before the files, which may turn out to be impossible to write. Raises UserError then."""
    terminal = options.report is None and sys.stderr is not None and sys.stderr.isatty()
    color = terminal and not os.environ.get("NO_COLOR")
    text = text_output.render(story, steps=options.steps, quiet=options.quiet, color=color, marks=terminal)
    if options.report is None:
        stderr.write(text)
    else:
        output_files.write(options.report, text)
    if options.json is not None:
        output_files.write(options.json, json_output.render(story))
    if options.har is None:
        return
    if har is None:
        output_files.write(options.har, har_output.document(story, version("mitmkube")))
    else:
        har.finish(story)
