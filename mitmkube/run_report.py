"""What ``run`` says when the command has ended. Imported while it runs: the command need not wait for this."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzers.command import CommandInfo, Story, display_argv
from analyzers.output import text as text_output
from mitmkube import output_files, stderr

if TYPE_CHECKING:
    from analyzers.exchange import Exchange
    from mitmkube.child import Ended
    from mitmkube.har_recording import HarRecording
    from mitmkube.plan import Plan
    from mitmkube.run import RunOptions


def command_info(options: RunOptions, prepared: Plan, started: float, ended: Ended) -> CommandInfo:
    """What is known of a command that has just ended."""
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
        exit_status=ended.exit_status,
        signal=ended.signal,
    )


_TURNED_AWAY = (
    "A client came to the proxy without the user name and password of the proxy-url, and was refused (407). Python's "
    "kubernetes package leaves them out: set proxy_headers of its Configuration, as README.md shows."
)


def nothing_sent(prepared: Plan, exchanges: list[Exchange], turned_away: bool) -> tuple[str, ...]:
    """Why the proxy saw no request, as far as the kubeconfig and the command line tell, and whether a client was
    ``turned_away`` that did not know the proxy's password."""
    chosen, kubectl = prepared.selection, prepared.invocation.kubectl
    if exchanges:
        return ()
    if turned_away:
        return (_TURNED_AWAY,)
    if not prepared.invocation.upstreams:
        return ("Nothing was sent through the proxy: no kubeconfig names a cluster that could be asked.",)
    flags = kubectl is not None and any(map(kubectl.has, ("token", "client-certificate", "username")))
    if kubectl is not None and chosen.cluster is not None and not (flags or (chosen.user and chosen.user.kinds)):
        who = f"User {chosen.user_name}" if chosen.user_name else "The context's user"
        return (f"{who} has no credential in the kubeconfig, so kubectl asks for a user name.",)
    return ("Nothing was sent through the proxy: the command needed no API server, or does not read KUBECONFIG.",)


@dataclass(frozen=True, slots=True)
class Report:
    """What is handed over: everything is there before anything is written. ``json`` and ``har`` are None where they
    were not asked for, ``har`` also where it was written beside the traffic."""

    text: str
    json: str | None
    har: str | None


def report(options: RunOptions, story: Story, har: HarRecording | None) -> Report:
    """All that was asked for, made of the story."""
    terminal = options.report is None and sys.stderr is not None and sys.stderr.isatty()
    color = terminal and not os.environ.get("NO_COLOR")
    text = text_output.render(story, steps=options.steps, quiet=options.quiet, color=color, marks=terminal)
    json_text = har_text = None
    if options.json is not None:
        from analyzers.output import json as json_output

        json_text = json_output.render(story)
    if options.har is not None and har is None:
        from importlib.metadata import version

        from analyzers.output import har as har_output

        har_text = har_output.document(story, version("mitmkube"), bodies=options.bodies)
    return Report(text, json_text, har_text)


def hand_over(options: RunOptions, made: Report, story: Story, har: HarRecording | None) -> None:
    """The report before the files, which may turn out to be impossible to write. Raises UserError then."""
    if options.report is None:
        stderr.write(made.text)
    else:
        output_files.write(options.report, made.text)
    if options.json is not None and made.json is not None:
        output_files.write(options.json, made.json)
    if options.har is not None and made.har is not None:
        output_files.write(options.har, made.har)
    if har is not None:
        har.finish(story)
