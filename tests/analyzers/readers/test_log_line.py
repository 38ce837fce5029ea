"""Lines of logs without what loggers and carriers put before them."""

from __future__ import annotations

import pytest

from analyzers.readers import log_line

SAID = 'failed to list *v1.Pod: pods is forbidden: User "jane" cannot list resource "pods" in API group ""'
QUOTED = SAID.replace('"', '\\"')


@pytest.mark.parametrize(
    "line",
    [
        f"E1122 10:00:00.123456       1 reflector.go:138] {SAID}",
        f'E1122 10:00:00.123456       1 reflector.go:200] "Failed to watch" err="{QUOTED}" reflector="x"',
        f'{{"level":"error","ts":1732269600.1,"msg":"Reconciler error","error":"{QUOTED}","stacktrace":"main.main"}}',
        f'time="2026-11-22T10:00:00Z" level=error msg="{QUOTED}"',
        f'ts=2026-11-22T10:00:00Z level=error component=k8s err="{QUOTED}"',
        f'2026-11-22T10:00:00.123Z\tERROR\tsetup\tproblem\t{{"error": "{QUOTED}"}}',
        f"FATA[0003] {SAID}",
        f'ERROR   controller      Reconciler error        {{"reconcilerGroup": "a.b", "error": "{QUOTED}"}}',
        f"Nov 22 10:00:00 node-1 kubelet[812]: E1122 10:00:00.123456     812 reflector.go:138] {SAID}",
        f"2026-11-22T10:00:00.123456789Z stderr F E1122 10:00:00.123456       1 reflector.go:138] {SAID}",
        f"[pod/web-1/app] E1122 10:00:00.123456       1 reflector.go:138] {SAID}",
        f"app-1  | E1122 10:00:00.123456       1 reflector.go:138] {SAID}",
        f"\x1b[31mE1122 10:00:00.123456       1 reflector.go:138] {SAID}\x1b[0m",
        f"2026-11-22T10:00:00.1234567Z E1122 10:00:00.123456       1 reflector.go:138] {SAID}",
    ],
)
def test_message_is_told_from_what_stands_before_it(line: str) -> None:
    read = log_line.read(line)
    assert read.is_log
    assert SAID in log_line.unescaped(read.message)


@pytest.mark.parametrize(
    "line",
    [
        "Error from server (Forbidden): pods is forbidden",
        '{"kind":"Status","message":"no","code":403}',
        "NAME   READY   STATUS",
        "",
        "> GET /api HTTP/1.1",
    ],
)
def test_plain_text_is_no_log(line: str) -> None:
    assert log_line.read(line) == log_line.LogLine(line)


def test_box_of_terraform_is_taken_off() -> None:
    assert log_line.read("│ Error: Unauthorized").said == "Error: Unauthorized"


def test_source_file_of_klog_is_known() -> None:
    assert log_line.read("I1122 10:00:00.123456       1 memcache.go:265] x").file == "memcache.go"


def test_half_a_character_can_be_written_again() -> None:
    assert log_line.read('{"msg":"\\ud800 failed"}').message.encode().endswith(b"failed")
