"""``mitmkube run -- COMMAND``: the command, unchanged, through a proxy of its own; then the report."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
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
from analyzers.exchange import Exchange
from analyzers.finding import Finding
from analyzers.kubeconfig import KubeconfigError
from analyzers.output import har as har_output
from analyzers.output import json as json_output
from analyzers.output import text as text_output
from mitmkube import authority, child, lean_import, output_files, stderr
from mitmkube.errors import UserError
from mitmkube.plan import OVERLAY, plan
from mitmkube.private_files import make_private_folder

if TYPE_CHECKING:
    from mitmproxy import http

    from mitmkube.plan import Plan
    from mitmkube.proxy import ProxyMaster

AUTHORITY_LIFETIME = dt.timedelta(days=1)
# A client that was ended may have left a flow open; its end takes a moment to arrive.
SETTLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What was asked for on the command line."""

    argv: tuple[str, ...]
    steps: bool = False
    quiet: bool = False
    report: Path | None = None
    har: Path | None = None
    json: Path | None = None


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
    exchanges: list[Exchange] = []
    har = _Har(options.har) if options.har and not output_files.is_stream(options.har) else None

    def keep(exchange: Exchange, flow: http.HTTPFlow) -> None:
        exchanges.append(exchange)
        if har is not None:
            har.add(exchange, flow)

    recorder = Recorder(tunnels := Tunnels(prepared.upstreams), keep)
    master = ProxyMaster([*kube_addons(tunnels), recorder], folder)
    prepared.write_overlay(folder / OVERLAY, await master.start(), ca)

    started = time.time()
    try:
        ended = await child.run(prepared.argv, prepared.environ, signals)
        await _settle(master)
        recorder.flush()
    except (child.CannotStart, SystemExit):
        if har is not None:
            har.discard()
        raise
    finally:
        notices = prepared.carry_back()
        await master.stop()
    info = CommandInfo(
        argv=display_argv(options.argv),
        context=prepared.selection.context,
        cluster=prepared.selection.cluster_name,
        server=prepared.selection.cluster.server if prepared.selection.cluster else "",
        user=prepared.selection.user_name,
        namespace=prepared.selection.namespace,
        kubeconfig=tuple(str(path) for path in prepared.kubeconfig.files),
        exit_status=None if ended.signal else ended.status,
        signal=ended.signal,
        started=started,
        ended=time.time(),
        notices=(*prepared.notices, *notices, *_nothing_sent(prepared, exchanges)),
    )
    story = Story.of(exchanges, info)
    _hand_over(options, story, har)
    return ended.status


class _Har:
    """The HAR while the command runs, written beside the traffic, and what it becomes in the end."""

    def __init__(self, path: Path) -> None:
        from proxy_addons.analysis import Analysis
        from proxy_addons.har_file import HarFile

        try:
            self._file = HarFile(path, version("mitmkube"))
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from error
        self.add = Analysis(self._write)

    def _write(self, exchange: Exchange, findings: tuple[Finding, ...], _: http.HTTPFlow) -> None:
        with contextlib.suppress(OSError):  # finish() will say so
            self._file.write(har_output.entry_text(exchange, findings))

    def finish(self, document: str) -> None:
        """Raises OSError."""
        self.add.finish()
        self._file.finish(document)

    def discard(self) -> None:
        self.add.finish()
        with contextlib.suppress(OSError):
            self._file.discard()


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


def _hand_over(options: RunOptions, story: Story, har: _Har | None) -> None:
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
    document = har_output.document(story, version("mitmkube"))
    if har is None:
        output_files.write(options.har, document)
        return
    try:
        har.finish(document)
    except OSError as error:
        raise UserError(f"{options.har} could not be written: {error.strerror or error}") from error
