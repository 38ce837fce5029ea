"""``mitmkube run -- COMMAND``: the command, unchanged, through a proxy of its own; then the report."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gc
import importlib
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from analyzers.kubeconfig import KubeconfigError
from mitmkube import authority, child, output_files
from mitmkube.early_proxy import EarlyProxy
from mitmkube.errors import UserError
from mitmkube.lock_file import locked
from mitmkube.plan import AUTHORITY, OVERLAY, Address, plan
from mitmkube.private_files import make_private_folder, write_private
from mitmkube.session import Session
from proxy_addons.limits import Limits

if TYPE_CHECKING:
    from mitmkube.plugin_socket import PluginSocket

AUTHORITY_LIFETIME = dt.timedelta(days=1)


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
    bodies: bool = False
    json: Path | None = None
    ask: bool = False
    wrap_plugin: bool = False
    env_proxy: bool = False
    allowed: tuple[Address, ...] = ()


def run(options: RunOptions, environ: Mapping[str, str]) -> int:
    """Run the command and report. Returns the exit status to end with; raises UserError."""
    options = replace(
        options,
        report=options.report and output_files.check_writable(options.report),
        har=options.har and output_files.check_writable(options.har),
        json=options.json and output_files.check_writable(options.json),
    )
    output_files.check_apart((options.report, options.har, options.json))
    try:
        with child.Signals() as signals, _folder(environ) as folder:
            return asyncio.run(_run(options, environ, folder, signals))
    except KubeconfigError as error:
        raise UserError(str(error)) from error


@contextlib.contextmanager
def _folder(environ: Mapping[str, str]) -> Iterator[Path]:
    folder = make_private_folder(environ)
    try:
        with locked(folder):  # so that nobody takes it for one that was left behind
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _meanwhile(environ: Mapping[str, str]) -> None:
    """What can be done beside the command: import the rest, and tidy up behind sessions that were killed."""
    importlib.import_module("mitmkube.run_report")
    importlib.import_module("mitmkube.leftovers").remove_quietly(environ)


async def _run(options: RunOptions, environ: Mapping[str, str], folder: Path, signals: child.Signals) -> int:
    prepared = plan(options.argv, environ, secrets.token_urlsafe(24), options.allowed)
    proxy = EarlyProxy()
    session = Session(options.har, options.keep_flows, bodies=options.bodies)
    plugins: PluginSocket | None = None
    try:
        try:
            ca = authority.create(folder, dt.datetime.now(dt.UTC), AUTHORITY_LIFETIME, prepared.upstreams.hosts)
            if options.wrap_plugin:
                from mitmkube.plugin_socket import PluginSocket

                plugins = await PluginSocket.open(folder, prepared.upstreams.key_pairs.add)
            prepared.write_overlay(folder / OVERLAY, proxy.port, ca, plugins.path if plugins else None)
            if options.env_proxy:
                write_private(folder / AUTHORITY, ca)
                prepared.set_environment_proxy(proxy.port, folder / AUTHORITY)
            started = time.time()
            process = signals.start(prepared.argv, prepared.environ)
            ending = child.wait(process)
            try:
                await proxy.serve(prepared.upstreams, session.take, session.look, options.limits, folder, ending.done)
            except BaseException:
                await child.stop(process, ending)  # all it could meet is a closed port
                raise
        except BaseException:
            session.discard()
            raise
        started += proxy.held_seconds  # the report is on the command
        # What was imported stays to the end, and so do most exchanges: looking at them again and again finds nothing.
        gc.freeze()
        gc.set_threshold(20_000, 10, 10)
        await asyncio.get_running_loop().run_in_executor(None, _meanwhile, environ)
        kept = session.kept
        ended = await ending
        from analyzers.command import Story
        from mitmkube import patience, run_report
        from mitmkube.ask import ask, told_apart

        await proxy.settle()
        info = run_report.command_info(options, prepared, started, ended)
        if options.ask:
            session.asking = True
            unasked = await ask(prepared, Story.of(kept.exchanges, info, left_out=kept.left_out))
            await proxy.settle()
            info = replace(info, notices=unasked)
    finally:
        notices = prepared.carry_back()
        if plugins is not None:
            plugins.close()
        await proxy.stop()
    exchanges, others = told_apart(kept.exchanges)
    own = (*prepared.notices, *notices, *run_report.nothing_sent(prepared, exchanges, proxy.turned_away))
    info = replace(info, notices=(*own, *info.notices, *others))
    try:
        story, made = patience.tell(
            exchanges, info, kept.left_out, lambda story: run_report.report(options, story, session.har)
        )
    except patience.NotTold as error:
        if session.har is not None:
            session.har.finish(Story())
        raise UserError(f"the report could not be made ({error}); the command ended with {ended.status}") from error
    run_report.hand_over(options, made, story, session.har)
    gc.freeze()  # or Python looks at all of it once more before it ends: 0.1 s
    return ended.status
