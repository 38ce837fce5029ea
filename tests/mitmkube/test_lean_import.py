"""``run`` imports only the addons that it needs, and mitmproxy's own front ends still find them all."""

from __future__ import annotations

import subprocess
import sys


def _prints(program: str) -> str:
    said = "from mitmkube import lean_import; lean_import.prepare()\n" + program
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_proxy_is_imported_without_the_addons_it_does_not_need() -> None:
    assert _prints("import sys, mitmkube.proxy; print('ldap3' in sys.modules)") == "False"


def test_all_addons_are_there_for_who_asks() -> None:
    program = (
        "import mitmproxy.tools.web.master\nfrom mitmproxy import addons\nprint(len(addons.default_addons()) > 20)"
    )
    assert _prints(program) == "True"
