"""The command line: what is wrong with it is said in one line, and the exit status says whose fault it was."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from importlib.metadata import version

import pytest

from mitmkube import cli
from mitmkube.errors import UserError


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    loggers = (logging.getLogger(), logging.getLogger("mitmkube"))
    before = [(logger, list(logger.handlers), logger.propagate) for logger in loggers]
    yield
    for logger, handlers, propagate in before:
        logger.handlers[:] = handlers
        logger.propagate = propagate


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "required: COMMAND"),
        (["nonsense"], 2, "nonsense"),
        (["--nonsense"], 2, "COMMAND"),
        (["run"], 125, "no command to run; for example: mitmkube run -- kubectl get pods"),
        (["run", "--"], 125, "no command to run"),
        (["run", "--steps"], 125, "no command to run"),
        (["run", "--nonsense"], 125, "--nonsense"),
        (["run", "--nonsense", "--", "true"], 125, "--nonsense"),
        (["run", "--har"], 125, "--har: expected one argument"),
        (["run", "--har", "/no/such/folder/har", "--", "true"], 125, "there is no folder /no/such/folder"),
        (["run", "--bodies", "--", "true"], 125, "--bodies is for the HAR: say with --har FILE where to write it"),
        (
            ["run", "--keep-flows", "99", "--", "true"],
            125,
            "--keep-flows: 99 is no number of requests to keep: at least",
        ),
        (["run", "--keep-flows", "many", "--", "true"], 125, "--keep-flows: many is no number"),
        (["run", "--keep-flows", "9" * 5000, "--", "true"], 125, "is no number"),
        (["run", "--allow-host", "https://oauth.test", "--", "true"], 125, "https://oauth.test is no host, such as"),
        (["run", "--allow-host", "oauth.test:0", "--", "true"], 125, "oauth.test:0 is no host"),
        (["run", "--allow-host", "*.test", "--", "true"], 125, "--allow-host: *.test is no host"),
        (["run", "--allow-host", "me@oauth.test", "--", "true"], 125, "is no host"),
        (["run", "--allow-host", "oauth.test/path", "--", "true"], 125, "is no host"),
        (["run", "--allow-host", "oauth.test:", "--", "true"], 125, "is no host"),
        (["run", "--allow-host", "oauth.test:https", "--", "true"], 125, "is no host"),
        (["run", "--allow-host", "", "--", "true"], 125, "is no host"),
        (["web", "--allow-host", "oauth.test:70000"], 2, "is no host"),
        (["web", "--port", "x"], 2, "--port: x is no port"),
        (["web", "--port", "0"], 2, "--port: 0 is no port"),
        (["web", "--port", "-1"], 2, "--port"),
        (["web", "--web-port", "65536"], 2, "--web-port: 65536 is no port"),
        (["web", "surplus"], 2, "surplus"),
        (["kubeconfig", "one", "two"], 2, "two"),
    ],
)
def test_wrong_command_line_is_said_in_one_line(
    capfd: pytest.CaptureFixture[str], arguments: list[str], status: int, words: str
) -> None:
    assert cli.main(arguments) == status
    out, err = capfd.readouterr()
    assert out == ""
    assert re.fullmatch(r"mitmkube: [^\n]+\n", err)
    assert words in err


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["web", "--help"], ["kubeconfig", "--help"]])
def test_help_goes_to_stdout_and_is_no_failure(capfd: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert cli.main(arguments) == 0
    out, err = capfd.readouterr()
    assert out.startswith("usage: mitmkube")
    assert err == ""


def test_version_is_the_packages(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capfd.readouterr().out == f"mitmkube {version('mitmkube')}\n"


def raising(error: BaseException) -> object:
    def dispatch(_: list[str]) -> int:
        raise error

    return dispatch


@pytest.mark.parametrize(("arguments", "status"), [(["run", "--", "true"], 125), (["web"], 2)])
def test_error_of_mitmkubes_own_is_one_line_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], arguments: list[str], status: int
) -> None:
    monkeypatch.delenv("MITMKUBE_DEBUG", raising=False)
    monkeypatch.setattr(cli, "_dispatch", raising(ValueError("two\nlines")))
    assert cli.main(arguments) == status
    assert capfd.readouterr().err == (
        "mitmkube: an error of mitmkube's own: ValueError: two lines (MITMKUBE_DEBUG=1 shows where)\n"
    )


def test_error_of_mitmkubes_own_has_a_traceback_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITMKUBE_DEBUG", "1")
    monkeypatch.setattr(cli, "_dispatch", raising(ValueError("x")))
    with pytest.raises(ValueError, match="x"):
        cli.main(["web"])


def test_error_that_spans_lines_is_said_in_one(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_dispatch", raising(UserError("a file with\na newline in its name")))
    assert cli.main(["web"]) == 2
    assert capfd.readouterr().err == "mitmkube: a file with a newline in its name\n"


def test_error_with_a_status_of_its_own_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_dispatch", raising(UserError("x", 127)))
    assert cli.main(["run", "--", "x"]) == 127


def test_signal_ends_with_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_dispatch", raising(SystemExit(143)))
    assert cli.main(["run", "--", "x"]) == 143


def test_rule_that_raises_is_one_line_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def dispatch(_: list[str]) -> int:
        try:
            raise ValueError("of the rule")
        except ValueError:
            logging.getLogger("mitmkube").exception("rule some-rule failed")
        return 0

    monkeypatch.delenv("MITMKUBE_DEBUG", raising=False)
    monkeypatch.setattr(cli, "_dispatch", dispatch)
    cli.main(["web"])
    assert capfd.readouterr().err == "mitmkube: rule some-rule failed\n"
