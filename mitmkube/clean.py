"""``mitmkube clean``: takes away what mitmkube wrote for itself and nobody uses any more.

What it was asked to write (HARs, reports, an overlay at a place of the user's choice) is the user's, and stays.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from analyzers.kubeconfig import config_paths
from mitmkube import leftovers
from mitmkube.errors import UserError
from mitmkube.stdout import writing
from mitmkube.web import state_place


def clean(environ: Mapping[str, str]) -> int:
    """Remove everything, and say of each thing that it is gone, or why it is not. Raises UserError."""
    told, failed = [], []
    for path in (*_state(environ), *leftovers.sessions(environ), *_halves(environ)):
        try:
            leftovers.remove(path)
        except leftovers.InUse:
            told.append(f"left {path}: it is in use\n")
        except OSError as error:
            failed.append(f"{path} cannot be removed: {error.strerror or error}")
        else:
            told.append(f"removed {path}\n")
    home = state_place(environ).parent
    with contextlib.suppress(OSError):  # it is not there, or not empty
        if leftovers.is_own(home, stat.S_ISDIR):
            home.rmdir()
    with writing() as out:
        out.writelines(told)
    if failed:
        raise UserError("; ".join(failed))
    return 0


def _state(environ: Mapping[str, str]) -> Iterator[Path]:
    place = state_place(environ)
    if leftovers.is_own(place, stat.S_ISDIR):
        yield place


def _halves(environ: Mapping[str, str]) -> Iterator[Path]:
    """New kubeconfig files that were not put in the old one's place before their writer was killed."""
    for kubeconfig in config_paths(environ, Path(environ.get("HOME") or "~").expanduser()):
        target = Path(os.path.realpath(kubeconfig))
        name = re.compile(rf"\.{re.escape(target.name)}\.mitmkube-(\d+)")
        with contextlib.suppress(OSError):
            for path in sorted(target.parent.iterdir()):
                found = name.fullmatch(path.name)
                if found and leftovers.is_own(path, stat.S_ISREG) and not _is_alive(int(found[1])):
                    yield path


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
