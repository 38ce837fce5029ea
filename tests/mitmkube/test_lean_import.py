"""``run`` imports only what it needs of mitmproxy, and who needs the rest finds it all the same."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from mitmkube import lean_import

NAMES = sorted(lean_import._STAND_INS)
AS_RUN_DOES = """
import importlib, json, sys, threading
from mitmkube import early_proxy, lean_import
with lean_import.lean():
    for name in early_proxy._IMPORTS:
        importlib.import_module(name)
"""
IS_STAND_IN = "isinstance(sys.modules.get(name), lean_import._StandIn)"


def said(program: str) -> Any:
    """What ``program`` prints as JSON, in an interpreter of its own."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_proxy_is_imported_without_what_it_does_not_need() -> None:
    """Another version of mitmproxy may import other names, or elsewhere: then the table has to follow."""
    real = said(f"{AS_RUN_DOES}\nprint(json.dumps([name for name in lean_import._STAND_INS if not {IS_STAND_IN}]))")
    assert real == []


@pytest.mark.parametrize("package", ["aioquic.quic", "h2", "hpack", "ldap3", "pyparsing.core", "flask", "unittest"])
def test_library_behind_a_stand_in_is_not_loaded(package: str) -> None:
    assert said(f"{AS_RUN_DOES}\nprint(json.dumps({package!r} in sys.modules))") is False


def test_stand_in_becomes_the_real_module_when_something_of_it_is_used() -> None:
    """All of them, one after the other, and in the end each has what an ordinary import gives."""
    contents = "{name: sorted(key for key in vars(sys.modules[name]) if not key.startswith('__')) for name in names}"
    used = f"""{AS_RUN_DOES}
names = {NAMES}
for name in names:
    getattr(sys.modules[name], 'no_such_thing', None)
assert not [name for name in names if {IS_STAND_IN}]
print(json.dumps({contents}))"""
    plain = f"""
import importlib, json, sys
import mitmkube.proxy, proxy_addons.layering, proxy_addons.reach, proxy_addons.recorder
names = {NAMES}
for name in names:
    importlib.import_module(name)
print(json.dumps({contents}))"""
    assert said(used) == said(plain)


def test_what_was_imported_from_a_stand_in_stands_for_the_real_thing() -> None:
    program = f"""{AS_RUN_DOES}
from mitmproxy.addons import next_layer, proxyserver, tlsconfig
from mitmproxy.proxy.layers import http
later = [http.QuicStreamEvent, tlsconfig.H3_ALPN, tlsconfig.CipherSuite, proxyserver.Opcode, next_layer.UDPLayer]
assert all(type(one) is lean_import._Later for one in later)
told = [isinstance(1, http.QuicStreamEvent), {IS_STAND_IN.replace("name", "'mitmproxy.proxy.layers.quic'")}]

class Derived(http.QuicStreamEvent): pass
from mitmproxy.proxy.layers.quic import QuicStreamEvent
told += [issubclass(Derived, QuicStreamEvent), isinstance(Derived(None, 0), http.QuicStreamEvent)]
told += [list(tlsconfig.H3_ALPN), tlsconfig.CipherSuite["AES_128_GCM_SHA256"].name, proxyserver.Opcode(1).name]
told += [proxyserver.Opcode.BINARY.name, http.Http2Client.__name__]
print(json.dumps(told))"""
    assert said(program) == [False, True, True, True, ["h3"], "AES_128_GCM_SHA256", "TEXT", "BINARY", "Http2Client"]


def test_threads_that_use_a_stand_in_at_once_all_get_the_real_thing() -> None:
    program = f"""{AS_RUN_DOES}
import mitmproxy.net.encoding as encoding
start, got = threading.Barrier(8), []
def use():
    start.wait()
    got.append(encoding.brotli.compress is sys.modules["brotli"].compress)
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(got))"""
    assert said(program) == [True] * 8


def test_front_ends_of_mitmproxy_find_all_addons_afterwards() -> None:
    program = f"""{AS_RUN_DOES}
import mitmproxy.tools.web.master
from mitmproxy import addons
print(json.dumps(len(addons.default_addons()) > 20))"""
    assert said(program) is True


def test_what_is_imported_already_is_left_alone() -> None:
    program = f"import brotli, mitmproxy.addons\n{AS_RUN_DOES}\nnames = ('brotli', 'mitmproxy.addons')\n"
    assert said(f"{program}print(json.dumps([{IS_STAND_IN} for name in names]))") == [False, False]


@pytest.mark.parametrize("module", ["mitmkube.web", "mitmkube.explain", "mitmkube.rbac", "mitmkube.demo.demo"])
def test_other_commands_import_no_stand_in(module: str) -> None:
    program = f"""
import json, sys
import {module}, mitmproxy.addons, mitmproxy.proxy.layers
from mitmkube import lean_import
told = [name for name in lean_import._STAND_INS if {IS_STAND_IN}]
print(json.dumps([told, any(type(finder) is lean_import._Finder for finder in sys.meta_path)]))"""
    assert said(program) == [[], False]
