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
from mitmkube import authority, child, lean_import, output_files
from mitmkube.early_proxy import EarlyProxy
from mitmkube.errors import UserError
from mitmkube.plan import OVERLAY, plan
from mitmkube.private_files import make_private_folder

if TYPE_CHECKING:
    from mitmproxy import http

    from analyzers.command import Story, Verdict
    from analyzers.exchange import Exchange
    from analyzers.finding import Finding

AUTHORITY_LIFETIME = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What was asked for on the command line."""

    argv: tuple[str, ...]
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
    # Nothing of what is imported is garbage, and looking for some takes a tenth of the start-up.
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
    prepared = plan(options.argv, environ, secrets.token_urlsafe(24))
    exchanges: list[Exchange] = []
    har = Har(options.har) if options.har and not output_files.is_stream(options.har) else None

    asking = False

    def keep(exchange: Exchange, flow: http.HTTPFlow) -> None:
        exchange = replace(exchange, asked=asking)
        exchanges.append(exchange)
        if har is not None:
            har.add(exchange, flow)

    proxy = EarlyProxy()
    try:
        ca = authority.create(folder, dt.datetime.now(dt.UTC), AUTHORITY_LIFETIME)
        prepared.write_overlay(folder / OVERLAY, proxy.port, ca)
        started = time.time()
        process = signals.start(prepared.argv, prepared.environ)
        ending = child.wait(process)
        try:
            await proxy.serve(prepared.upstreams, keep, folder, ending.done)
        except BaseException:
            await child.stop(process, ending)  # all it could meet is a closed port
            if har is not None:
                har.discard()
            raise
        started += proxy.held_seconds  # the report is on the command
        # What was imported stays to the end, and so does every exchange: looking at them again and again finds nothing.
        gc.freeze()
        gc.set_threshold(20_000, 10, 10)
        reporting = asyncio.get_running_loop().run_in_executor(None, importlib.import_module, "mitmkube.run_report")
        ended = await ending
        await reporting
        from analyzers.command import Story
        from mitmkube import run_report

        await proxy.settle()
        info = run_report.command_info(options, prepared, started, ended)
        if options.ask:
            from mitmkube.ask import ask, told_apart

            asking = True
            unasked = await ask(prepared, Story.of(exchanges, info))
            await proxy.settle()
            exchanges, others = told_apart(exchanges)
            info = replace(info, notices=(*unasked, *others))
    except (child.CannotStart, SystemExit):
        if har is not None:
            har.discard()
        raise
    finally:
        notices = prepared.carry_back()
        await proxy.stop()
    own = (*prepared.notices, *notices, *run_report.nothing_sent(prepared, exchanges))
    info = replace(info, notices=(*own, *info.notices))
    story = Story.of(exchanges, info)
    run_report.hand_over(options, story, har)
    gc.freeze()  # or Python looks at all of it once more before it ends: 0.1 s
    return ended.status


class Har:
    """The HAR while the command runs, written beside the traffic, and what it becomes in the end."""

    def __init__(self, path: Path) -> None:
        with lean_import.lean():
            from proxy_addons.analysis import Analysis
            from proxy_addons.har_file import HarFile
        from importlib.metadata import version

        from analyzers.output import har as har_output

        self._output, self._version = har_output, version("mitmkube")

        try:
            self._file = HarFile(path, self._version)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from error
        self._written: dict[int, tuple[tuple[Finding, ...], range]] = {}
        self.add = Analysis(self._write)

    def _write(self, exchange: Exchange, findings: tuple[Finding, ...], _: http.HTTPFlow) -> None:
        with contextlib.suppress(OSError):  # finish() will say so
            self._written[exchange.id] = findings, self._file.write(self._output.entry_text(exchange, findings))

    def finish(self, story: Story) -> None:
        """Raises OSError."""
        self.add.finish()
        self._file.finish(self._output.document(story, self._version, self._unchanged))

    def _unchanged(self, verdict: Verdict) -> str | None:
        """The entry as it was written, unless the story says more of it: most need not be made again."""
        findings, where = self._written.get(verdict.exchange.id, ((), range(0)))
        return self._file.read(where) if where and findings == verdict.findings and not verdict.notes else None

    def discard(self) -> None:
        self.add.finish()
        with contextlib.suppress(OSError):
            self._file.discard()
