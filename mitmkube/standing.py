"""What a proxy that stays up leads to: the user's kubeconfig as it is now, and a CA that is for its servers and lasts.

A login tool rewrites the kubeconfig, a cluster is added, its CA is replaced, and the proxy's own CA comes to its end.
None of this ends what goes through the proxy at that time, nor what was exported before.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from analyzers.kubeconfig import KubeconfigError
from analyzers.kubeconfig.syntax import text_of
from mitmkube import authority
from mitmkube.plan import Plan

AUTHORITY_LIFETIME = dt.timedelta(days=90)
LOOK_SECONDS = 1.0
"""How often the files are looked at: nobody types the next command sooner."""
RENEW_SECONDS = 3600.0
"""How often the CA's end is."""

type _Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A new state of things, to be served before clients are led there. ``ca`` is PEM."""

    plan: Plan
    ca: bytes = field(repr=False)
    is_ca_new: bool


class Standing:
    """Follows the kubeconfig. ``make`` reads it; both that and the constructor raise KubeconfigError."""

    def __init__(self, folder: Path, make: Callable[[], Plan], now: dt.datetime) -> None:
        """``folder`` keeps the CA. Raises OSError too."""
        self._folder = folder
        self._make = make
        self.plan = make()
        self.ca = self._authority(self.plan, now)
        self._stamp = _stamp(self.plan)
        self._looked = now

    def look(self, now: dt.datetime) -> Changed | None:
        """What is new since the last look, None when nothing is. Takes as long as reading the files does.

        Raises KubeconfigError where there is something new that cannot be used, once for each that it is.
        """
        stamp = _stamp(self.plan)
        plan = self.plan
        if stamp != self._stamp:
            self._stamp = stamp
            _check_files(plan)
            plan = self._make()
            # Of the files that the new one names; nothing that was written meanwhile may go unnoticed.
            self._stamp = _stamp(plan) if _stamp(self.plan) == stamp else ()
        elif now - self._looked < dt.timedelta(seconds=RENEW_SECONDS):
            return None
        self._looked = now
        with self._tried_again():
            ca = self._authority(plan, now)
        if plan is self.plan and ca == self.ca:
            return None
        return Changed(plan=plan, ca=ca, is_ca_new=ca != self.ca)

    def take(self, changed: Changed, write: Callable[[Plan, bytes], None]) -> tuple[str, ...]:
        """Lead clients to what is ``changed``; ``write`` writes the overlay. Returns what has to be said.

        What a command changed in the old overlay is brought back into the user's files before.
        """
        said = self.plan.carry_back()
        known = self.plan.notices
        with self._tried_again():
            write(changed.plan, changed.ca)
        self.plan, self.ca = changed.plan, changed.ca
        return (*said, *(notice for notice in changed.plan.notices if notice not in known))

    async def follow(
        self,
        serve: Callable[[Changed], None],
        write: Callable[[Plan, bytes], None],
        say: Callable[[str], None],
        clock: Callable[[], dt.datetime],
    ) -> None:
        """Look again and again until cancelled. ``serve`` is called in the event loop; files are read beside it."""
        loop = asyncio.get_running_loop()
        failure = ""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                changed = await loop.run_in_executor(None, self.look, clock())
                if changed is None:
                    continue
                serve(changed)
                for notice in await loop.run_in_executor(None, self.take, changed, write):
                    say(notice)
                failure = ""
            except KubeconfigError as error:
                say(f"{error}; going on with the kubeconfig as it was")
            except OSError as error:
                # It is tried again at the next look, and said once.
                said = f"the kubeconfig was changed, and the overlay cannot be: {error.strerror or error}"
                if said != failure:
                    say(said)
                failure = said
            except Exception as error:
                # A kubeconfig that no one has thought of: what comes after it has to be followed all the same.
                say(f"the kubeconfig cannot be used ({type(error).__name__}); going on with it as it was")

    @contextlib.contextmanager
    def _tried_again(self) -> Iterator[None]:
        """What cannot be written now is new at the next look too."""
        try:
            yield
        except OSError:
            self._stamp = ()
            raise

    def _authority(self, plan: Plan, now: dt.datetime) -> bytes:
        return authority.keep(self._folder, now, AUTHORITY_LIFETIME, plan.upstreams.hosts)


def _stamp(plan: Plan) -> _Stamp:
    """What would be different if one of the files were: when it was written, how long it is, and which it is."""
    clusters = plan.kubeconfig.clusters.values()
    named = [
        cluster.file.parent / name for cluster in clusters if (name := text_of(cluster.raw, "certificate-authority"))
    ]
    return tuple(_of_file(path) for path in dict.fromkeys((*plan.kubeconfig.paths, *named)))


def _check_files(plan: Plan) -> None:
    """Raises KubeconfigError where a file became something that can be waited for without end: a pipe, a device."""
    for path in plan.kubeconfig.paths:
        if path.exists() and not path.is_file():
            raise KubeconfigError(f"{path} is no file any more")


def _of_file(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
