"""The command line: parses it, and turns what goes wrong into one line and an exit status."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from mitmkube import stderr
from mitmkube.errors import BAD_INPUT, UserError
from proxy_addons.limits import BODY_BYTES, STREAM_BYTES, Limits

# Fewer would not hold a beginning, an end and a failure between them; a request without its bodies takes a few KB.
FEWEST_KEPT, KEPT = 100, 5_000
_UNITS = {"K": 1 << 10, "M": 1 << 20}
OWN_ERROR = 125  # of ``run``, whose other statuses are the command's own; env(1) and timeout(1) do the same


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the ``mitmkube`` command."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _quiet_libraries()
    own_error = OWN_ERROR if arguments[:1] == ["run"] else BAD_INPUT
    try:
        return _dispatch(arguments)
    except UserError as error:
        stderr.say(str(error))
        return own_error if error.status is None else error.status
    except KeyboardInterrupt:
        return 130
    except SystemExit as exit_:  # of --help, or of a signal
        return exit_.code if isinstance(exit_.code, int) else 0
    except Exception as error:
        if os.environ.get("MITMKUBE_DEBUG"):
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())
        stderr.write(f"mitmkube: an error of mitmkube's own: {said} (MITMKUBE_DEBUG=1 shows where)\n")
        return own_error


def _quiet_libraries() -> None:
    """stderr belongs to the command and the report: libraries say nothing there, and mitmkube one line at most."""
    logging.getLogger().addHandler(logging.NullHandler())
    if os.environ.get("MITMKUBE_DEBUG"):
        logging.basicConfig(level=logging.INFO)
        return
    warnings.simplefilter("ignore")
    ours = logging.getLogger("mitmkube")
    ours.propagate = False
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("mitmkube: %(message)s"))
    ours.addHandler(handler)


class _OneLine(logging.Formatter):
    def formatException(self, ei: object) -> str:
        return ""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(super().format(record).split())


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} ({self.prog} --help shows how)")


class _Version(argparse.Action):
    """Like argparse's own, but looks the version up when it is asked for: that takes 15 ms."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        from mitmkube.stdout import writing

        with writing() as out:
            out.write(f"mitmkube {version('mitmkube')}\n")
        parser.exit()


def _dispatch(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    if options.command == "run":
        from mitmkube.run import RunOptions, run

        command = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
        if not command:
            raise UserError("no command to run; for example: mitmkube run -- kubectl get pods")
        if options.bodies and options.har is None:
            raise UserError("--bodies is for the HAR: say with --har FILE where to write it")
        return run(
            RunOptions(
                argv=tuple(command),
                steps=options.steps,
                quiet=options.quiet,
                report=options.report,
                har=options.har,
                bodies=options.bodies,
                json=options.json,
                ask=options.ask,
                wrap_plugin=options.wrap_plugin,
                env_proxy=options.env_proxy,
                allowed=tuple(options.allow_host),
                keep_flows=options.keep_flows,
                limits=_limits(options),
            ),
            _environ(),
        )
    if options.command == "web":
        from mitmkube.web import web

        return web(
            os.environ,
            options.port,
            options.web_port,
            options.keep_flows,
            _limits(options),
            wrap_plugin=options.wrap_plugin,
            allowed=tuple(options.allow_host),
        )
    if options.command == "kubeconfig":
        from mitmkube.web import kubeconfig

        return kubeconfig(os.environ, options.file, wrap_plugin=options.wrap_plugin)
    if options.command == "clean":
        from mitmkube.clean import clean

        return clean(os.environ)
    if options.command == "explain":
        from mitmkube.explain import explain_files

        return explain_files(options.files, os.environ, as_json=options.format == "json")
    if options.command == "rbac":
        from mitmkube.rbac import RbacOptions, rbac

        return rbac(
            RbacOptions(
                files=tuple(options.files),
                user=options.user,
                subject=options.subject,
                name=options.name,
                refused_only=options.refused_only,
                any_name=options.any_name,
            )
        )
    if options.command == "redact":
        from mitmkube.redact import RedactOptions, redact

        return redact(RedactOptions(file=options.file, output=options.output))
    if options.command == "rule":
        from mitmkube.rule import show

        return show(options.id)
    if options.command == "demo":
        from mitmkube.demo.demo import demo

        return demo(os.environ)
    raise UserError(f"unknown command {options.command}")


def _environ() -> dict[str, str]:
    """The environment as it was handed over: Python changes LC_CTYPE under the C locale, and the command would see."""
    environ = dict(os.environ)
    try:
        given = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return environ
    environ.pop("LC_CTYPE", None)
    for entry in given:
        name, _, value = entry.partition(b"=")
        if name == b"LC_CTYPE":
            environ["LC_CTYPE"] = os.fsdecode(value)
    return environ


def _number_kept(text: str) -> int:
    if not text.isdecimal() or len(text) > 9 or int(text) < FEWEST_KEPT:
        raise argparse.ArgumentTypeError(f"{text} is no number of requests to keep: at least {FEWEST_KEPT}")
    return int(text)


def _add_limits(parser: argparse.ArgumentParser, flows: str) -> None:
    parser.add_argument("--keep-flows", type=_number_kept, default=KEPT, metavar="N", help=f"{flows}; default: "
                        "%(default)s")  # fmt: skip
    parser.add_argument("--keep-body", type=_size, default=BODY_BYTES, metavar="SIZE", help="of each body, as "
                        "it was sent; what is longer passes, and its beginning is kept; default: 1M")  # fmt: skip
    parser.add_argument("--keep-stream", type=_size, default=STREAM_BYTES, metavar="SIZE", help="of each "
                        "watch and each log; default: 256K")  # fmt: skip


def _add_wrap_plugin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wrap-plugin", action="store_true", help="run credential plugins inside a shim that hands a "
                        "client certificate and its key, where they return one, to the proxy's memory")  # fmt: skip


def _add_allow_host(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--allow-host", type=_address, action="append", default=[], metavar="HOST[:PORT]", help="let "
                        "requests to this host through too (port 443 unless given), such as an OAuth server: it is "
                        "known by the system's roots, and of what is said there only method, path and status are "
                        "kept; may be repeated")  # fmt: skip


def _address(text: str) -> tuple[str, int]:
    """Host, without brackets, and port."""
    parts = urlsplit(f"//{text}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    rest = parts.path or parts.query or parts.fragment or "@" in text or text.endswith((":", "?", "#"))
    if not host or rest or port == 0 or "*" in host or any(letter.isspace() for letter in host):
        raise argparse.ArgumentTypeError(f"{text} is no host, such as oauth.example.com or oauth.example.com:8443")
    return host, 443 if port is None else port


def _limits(options: argparse.Namespace) -> Limits:
    return Limits(body_bytes=options.keep_body, stream_bytes=options.keep_stream)


def _size(text: str) -> int:
    """Bytes: ``4096``, ``256K``, ``1M``."""
    number, factor = (text[:-1], _UNITS[text[-1:].upper()]) if text[-1:].upper() in _UNITS else (text, 1)
    if not number.isdecimal() or len(number) > 9:
        raise argparse.ArgumentTypeError(f"{text} is no size: bytes, or a number with K or M behind it")
    return int(number) * factor


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: a number from 1 to 65535")
    return int(text)


def _parser() -> _Parser:
    parser = _Parser(
        prog="mitmkube",
        description="Shows what a kubectl command really sent and got, why it failed, and what to do next.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run a command through the proxy and report on it")
    run.add_argument("--steps", action="store_true", help="show all fifteen steps")
    run.add_argument("--quiet", action="store_true", help="report only failures")
    run.add_argument("--report", type=Path, metavar="FILE", help="put the report there and leave stderr alone")
    run.add_argument("--har", type=Path, metavar="FILE", help="write the traffic as HAR, annotated and redacted")
    run.add_argument("--bodies", action="store_true", help="keep every body in the HAR, redacted; by default it has "
                     "those of refusals only")  # fmt: skip
    run.add_argument("--json", type=Path, metavar="FILE", help="write the same facts as JSON")
    run.add_argument("--ask", action="store_true", help="afterwards, send a few GETs as the same identity where that "
                     "completes the story; the report says which")  # fmt: skip
    _add_wrap_plugin(run)
    run.add_argument("--env-proxy", action="store_true", help="also set HTTPS_PROXY, for programs that do not take "
                     "the proxy from KUBECONFIG; the file with the CA to trust is $MITMKUBE_CA, as in curl --cacert "
                     '"$MITMKUBE_CA". All that the command starts inherits it, credential plugins too, and what they '
                     "ask of other hosts is refused without --allow-host. Go programs ignore it for loopback, and "
                     "NO_PROXY counts as before")  # fmt: skip
    _add_allow_host(run)
    _add_limits(run, "requests held in memory for the report: the first, the latest and what failed; the HAR has all")
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="any program that reads KUBECONFIG")
    web = commands.add_parser("web", help="start mitmweb with the annotations and stay up")
    web.add_argument("--port", type=_port, help="of the proxy; kept for the next start")
    web.add_argument("--web-port", type=_port, help="of the page; kept for the next start")
    _add_wrap_plugin(web)
    _add_allow_host(web)
    _add_limits(web, "requests held on the page; the oldest that went well go first")
    kubeconfig = commands.add_parser("kubeconfig", help="write the overlay that leads through mitmkube web")
    kubeconfig.add_argument("file", nargs="?", type=Path, help="where to; default: where mitmkube web keeps its own")
    _add_wrap_plugin(kubeconfig)
    explain = commands.add_parser("explain", help="say what went wrong in pasted errors, logs and recorded traffic")
    explain.add_argument("files", nargs="*", metavar="FILE", help="an error message, a terminal's scroll, kubectl -v "
                         "output, a log, an audit log, a HAR, a mitmproxy flow file; - or nothing: stdin")  # fmt: skip
    explain.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    rbac = commands.add_parser("rbac", help="write the roles that allow what a recorded session did, and nothing else")
    rbac.add_argument("files", nargs="*", metavar="FILE", help="a HAR, a flow file, an audit log, kubectl -v output or "
                      "error messages; - or nothing: stdin")  # fmt: skip
    rbac.add_argument("--user", default="", metavar="USER", help="only what this user did; default: a set for each")
    rbac.add_argument("--for", dest="subject", default="", metavar="USER", help="bind this user instead of who asked: "
                      "a name, system:serviceaccount:NAMESPACE:NAME, or group:NAME")  # fmt: skip
    rbac.add_argument("--name", default="", metavar="NAME", help="of the roles and bindings")
    rbac.add_argument("--refused-only", action="store_true", help="only what was refused")
    rbac.add_argument("--any-name", action="store_true", help="grant for objects of any name, not for those that were "
                      "asked for")  # fmt: skip
    redact = commands.add_parser("redact", help="clean a HAR that any tool has written, so that it can be shared")
    redact.add_argument("file", metavar="FILE", help="the archive, gzip or not; - for stdin; it stays as it is")
    redact.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there instead of to stdout")
    rule = commands.add_parser("rule", help="list what mitmkube recognises, or show the page of one rule")
    rule.add_argument("id", nargs="?", metavar="ID", help="such as rbac-denied")
    commands.add_parser("clean", help="remove what mitmkube wrote for itself and nobody uses any more")
    commands.add_parser("demo", help="show all this without a cluster, on recorded answers of an API server")
    return parser
