"""``mitmkube web``: mitmweb with the annotations, and a kubeconfig that stays valid while it comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import secrets
import shlex
import signal
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from analyzers.kubeconfig import KubeconfigError
from mitmkube import authority, leftovers, stderr, stdout
from mitmkube.errors import UserError
from mitmkube.lock_file import NAME, locked
from mitmkube.plan import OVERLAY, Address, Plan, is_overlay, standing_plan
from mitmkube.plugin_socket import SOCKET, PluginSocket
from mitmkube.private_files import private_folder, write_private
from mitmkube.standing import AUTHORITY_LIFETIME, Changed, Standing
from mitmkube.trusted_place import UntrustedPlace
from proxy_addons.limits import Limits

if TYPE_CHECKING:
    from mitmproxy.tools.web.master import WebMaster

DEFAULT_PORT, DEFAULT_WEB_PORT = 8089, 8081


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What must stay the same for exported settings to live on over a restart."""

    port: int
    web_port: int
    password: str = field(repr=False)
    web_password: str = field(repr=False)


def state_place(environ: Mapping[str, str]) -> Path:
    """Where the overlay, the CA and the settings are kept between two starts; it need not exist."""
    state = environ.get("XDG_STATE_HOME", "")
    if not Path(state).is_absolute():  # then it does not count, says its specification
        state = str(Path(environ.get("HOME") or "~").expanduser() / ".local" / "state")
    return Path(state) / "mitmkube" / "web"


def state_folder(environ: Mapping[str, str]) -> Path:
    """``state_place``, made and 0700. Raises UserError."""
    place = state_place(environ)
    try:
        return private_folder(place)
    except OSError as error:
        state = place.parent.parent
        raise UserError(
            f"{state} cannot be written: {error.strerror}; set XDG_STATE_HOME to a folder that can"
            if not isinstance(error, UntrustedPlace)
            else f"{state} is not safe: {error.strerror}; set XDG_STATE_HOME to a folder that is yours alone"
        ) from None


def settings(folder: Path, port: int | None, web_port: int | None) -> Settings:
    """The settings of the last start, ports replaced where they were asked for; new ones at the first."""
    kept: dict[str, object] = {}
    try:
        read = json.loads((folder / "settings.json").read_text())
        kept = read if isinstance(read, dict) else {}
    except (OSError, ValueError):
        pass
    return Settings(
        port=port or _int(kept.get("port")) or DEFAULT_PORT,
        web_port=web_port or _int(kept.get("web_port")) or DEFAULT_WEB_PORT,
        password=_text(kept.get("password")) or secrets.token_urlsafe(24),
        web_password=_text(kept.get("web_password")) or secrets.token_urlsafe(24),
    )


def _keep(folder: Path, chosen: Settings) -> None:
    write_private(folder / "settings.json", json.dumps(asdict(chosen)).encode())


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps a second one away: it would lead what uses the overlay elsewhere. Raises UserError."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(folder))
        except BlockingIOError:
            raise UserError(
                "mitmkube web is already running; stop it first, or set XDG_STATE_HOME for another"
            ) from None
        except OSError as error:
            raise UserError(f"{folder / NAME} cannot be locked: {error.strerror}; remove it") from None
        yield


def web(
    environ: Mapping[str, str],
    port: int | None,
    web_port: int | None,
    keep_flows: int,
    limits: Limits,
    *,
    wrap_plugin: bool = False,
    allowed: tuple[Address, ...] = (),
) -> int:
    """Stay up until SIGINT or SIGTERM. Raises UserError."""
    folder = state_folder(environ)
    try:
        leftovers.remove_quietly(environ)
        with _alone(folder):
            chosen = settings(folder, port, web_port)
            return asyncio.run(_web(environ, folder, chosen, keep_flows, limits, allowed, wrap_plugin=wrap_plugin))
    except KubeconfigError as error:
        raise UserError(str(error)) from error


def kubeconfig(environ: Mapping[str, str], file: Path | None, *, wrap_plugin: bool = False) -> int:
    """Write the overlay that leads through ``mitmkube web``, to ``file`` or where web keeps it. Raises UserError."""
    folder = state_folder(environ)
    chosen = settings(folder, None, None)
    if file is not None and file.exists() and not is_overlay(file):
        raise UserError(f"{file} is there already, and mitmkube did not write it; name another file")
    try:
        prepared = standing_plan(environ, chosen.password)
        _keep(folder, chosen)
        ca = authority.keep(folder, _now(), AUTHORITY_LIFETIME, prepared.upstreams.hosts)
        plugins = folder / SOCKET if wrap_plugin else None
        prepared.write_overlay(file.absolute() if file else folder / OVERLAY, chosen.port, ca, plugins)
    except KubeconfigError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(f"{file or folder} cannot be written: {error.strerror}") from error
    with stdout.writing() as out:
        out.write(_export(prepared))
    return 0


def _export(prepared: Plan) -> str:
    return f"export KUBECONFIG={shlex.quote(prepared.environ['KUBECONFIG'])}\n"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


async def _web(
    environ: Mapping[str, str],
    folder: Path,
    chosen: Settings,
    keep_flows: int,
    limits: Limits,
    allowed: tuple[Address, ...],
    *,
    wrap_plugin: bool,
) -> int:
    from proxy_addons import kube_addons
    from proxy_addons.analysis import Analysis
    from proxy_addons.annotate import Annotate
    from proxy_addons.keep_flows import KeepFlows
    from proxy_addons.recorder import Recorder
    from proxy_addons.tunnels import Tunnels

    standing = Standing(folder, lambda: standing_plan(environ, chosen.password, allowed), _now())
    tunnels = Tunnels(standing.plan.upstreams)
    annotate = Annotate(asyncio.get_running_loop())
    analysis = Analysis(annotate, still_open=(annotate,), given_up=annotate.given_up)
    plugins: PluginSocket | None = None

    def write(plan: Plan, ca: bytes) -> None:
        plan.write_overlay(folder / OVERLAY, chosen.port, ca, plugins.path if plugins else None)

    def serve(changed: Changed) -> None:
        changed.plan.upstreams.key_pairs.take_over(tunnels.upstreams.key_pairs)
        tunnels.upstreams = changed.plan.upstreams
        if changed.is_ca_new:
            master.addons.get("tlsconfig").configure({"confdir"})

    def take(certificate: bytes, key: bytes) -> None:
        tunnels.upstreams.key_pairs.add(certificate, key)

    try:
        recorder = Recorder(tunnels, analysis, analysis.look, limits)
        master = _master([*kube_addons(tunnels), recorder, KeepFlows(keep_flows)], folder, chosen)
        _stop_on_signals(master)
        running = asyncio.create_task(master.run())
        await _listening(master, running, chosen)
        # Not before the ports are ours: a start that fails must not lead what was exported elsewhere.
        _keep(folder, chosen)
        if wrap_plugin:
            plugins = await PluginSocket.open(folder, take)
        write(standing.plan, standing.ca)
        try:
            with stdout.writing() as out:
                out.write(_export(standing.plan))
        except UserError as error:
            stderr.say(f"{error}; mitmkube kubeconfig tells how to use the proxy")
        stderr.write(f"mitmweb: http://127.0.0.1:{chosen.web_port}/?token={chosen.web_password}\n")
        for notice in standing.plan.notices:
            stderr.say(notice)
        following = asyncio.create_task(standing.follow(serve, write, stderr.say, _now))
        await running
        following.cancel()
    finally:
        analysis.finish()
        if plugins is not None:
            plugins.close()
        for notice in standing.plan.carry_back():
            stderr.say(notice)
    return 0


def _master(addons: list[object], folder: Path, chosen: Settings) -> WebMaster:
    from mitmproxy import contentviews, options
    from mitmproxy.tools.web.master import WebMaster

    from mitmkube.proxy import settle_confdir
    from mitmkube.web_page import HOST, hashed, take_over
    from proxy_addons import connection_handler
    from proxy_addons.contentview import KubernetesView
    from proxy_addons.hook_table import HookTable
    from proxy_addons.options import OPTIONS, WEB_COLUMNS

    master = WebMaster(options.Options(), with_termlog=False)
    # Ours come before mitmproxy's own: they choose the layers and make the connection objects.
    master.addons.chain[:0] = [master.addons.register(addon) for addon in addons]
    master.addons.remove(master.addons.get("errorcheck"))  # it would end us before we can say which port is taken
    HookTable.take_over(master.addons)
    take_over(master)
    connection_handler.install()
    contentviews.add(KubernetesView())
    settle_confdir(folder)
    master.options.update(
        **OPTIONS,
        confdir=str(folder),
        listen_port=chosen.port,
        web_port=chosen.web_port,
        web_host=HOST,
        web_password=hashed(chosen.web_password),
        web_open_browser=False,
        web_columns=WEB_COLUMNS,
    )
    return master


async def _listening(master: WebMaster, running: asyncio.Task[None], chosen: Settings) -> None:
    """Wait until both ports are open. Raises UserError when one is taken."""
    while not running.done():
        servers = list(master.proxyserver.servers)
        if any(server.last_exception for server in servers):
            master.shutdown()
            raise UserError(f"port {chosen.port} is taken; choose another with --port")
        if servers and all(server.is_running for server in servers):
            return
        await asyncio.sleep(0.02)
    try:
        await running
    except OSError:
        raise UserError(f"port {chosen.web_port} is taken; choose another with --web-port") from None
    except SystemExit:
        raise UserError(f"port {chosen.port} is taken; choose another with --port") from None


def _stop_on_signals(master: WebMaster) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and the shell's & have it
            loop.add_signal_handler(number, master.shutdown)


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
