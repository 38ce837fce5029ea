"""What ``mitmkube run`` made of one command on the real cluster: text, JSON and HAR, held against each other.

A finding has to say the same in all three, and what it shows as evidence has to be found in the recorded traffic.
"""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from analyzers.explain import Item, explain
from analyzers.finding import Step
from analyzers.output.json import finding_object
from analyzers.readers.source import Source
from mitmkube import reading
from tests.cluster.command import Outcome

_LEGS = ("name lookup for ", "TCP connection to ", "TLS handshake with ", "connection to ", "forward proxy on the way")
# What kubectl prints where more than one category could be behind it: a refused or missing discovery, and silence.
_UNDECIDABLE = re.compile(
    # The last: how far it had got when its own limit ended it, which kubectl says with or without these words.
    r"list: unknown|\(Forbidden\): unknown|doesn't have a resource type"
    r"|server: context deadline exceeded(?: \(Client\.Timeout exceeded while awaiting headers\))?$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Explained:
    """A command through mitmkube: what it left behind, the text report, and the JSON and HAR documents."""

    outcome: Outcome
    report: str
    story: Any
    har: Any

    @property
    def cause(self) -> Any:
        """The deciding finding; AssertionError with the report where there is none."""
        assert self.story["findings"], f"nothing was found:\n{self.report}\n{self.outcome.stderr}"
        return self.story["findings"][0]

    @property
    def head(self) -> str:
        """The first line of the answer: ``failed: rbac, at step 7 authorization``."""
        return self.report.splitlines()[1]

    @property
    def sentence(self) -> str:
        """The sentence below it, on one line."""
        lines = self.report.splitlines()[2:]
        return " ".join(line.strip() for line in lines[: lines.index("")])

    @property
    def noted(self) -> dict[str, str]:
        """What looked like a failure and was none: rule (or "" where no rule knows it) to the reason."""
        return {rule: note["text"] for note in self.story["notes"] for rule in note["rules"] or [""]}

    def entry(self, request: int) -> Any:
        """The HAR entry of the request with that id, one that mitmkube asked by itself too."""
        everything = [*self.story["requests"], *self.story["asked"]]
        return self.har["log"]["entries"][[one["id"] for one in everything].index(request)]

    def step(self, step: str) -> tuple[str, str]:
        """State and text of a step in the JSON."""
        return next((line["state"], line["text"]) for line in self.story["steps"] if line["step"] == step)

    def states(self) -> dict[str, str]:
        """The state of every step in the JSON."""
        return {line["step"]: line["state"] for line in self.story["steps"]}

    def check(self, rule: str, hop: str, step: str) -> Any:
        """The finding that decided, after holding it against the JSON, the HAR, the report and the traffic."""
        found = self.cause
        said = (found["rule"], found["category"], found["hop"], found["step"])
        assert said == (rule, rule.partition("-")[0], hop, step), self.report
        assert self.story["cause"] == {"request": found["request"], "rule": rule}
        assert self.outcome.status == self.story["command"]["exit_status"] != 0
        entry = self.entry(found["request"])
        assert entry["_mitmkube"]["findings"][0] == {key: found[key] for key in found if key != "request"}
        assert self.head == f"failed: {found['category']}, at {Step(step).label}"
        assert self.sentence == found["summary"]
        assert re.search(r"^  because  ", self.report, re.MULTILINE), self.report
        assert "request {}".format(found["request"]) in " ".join(self.report.split())
        assert found["evidence"], self.report
        assert found["fix"], self.report
        for evidence in found["evidence"]:
            self._check_evidence(evidence, entry, found["request"])
        self.check_printed()
        # The other steps have tests of their own.
        assert self.step(step)[0] == "failed"
        return found

    def check_har(self) -> None:
        """``mitmkube explain`` finds in the HAR exactly what the live run had found."""
        found = [finding for item in _explained(json.dumps(self.har)) for finding in item.findings]
        live = [{key: value for key, value in one.items() if key != "request"} for one in self.story["findings"]]
        assert [finding_object(one) for one in found] == live, self.report

    def check_printed(self) -> None:
        """``mitmkube explain`` gives what the command printed the category that the traffic has."""
        if not self.outcome.stderr.strip() or _UNDECIDABLE.search(self.outcome.stderr):
            return
        found = [finding for item in _explained(self.outcome.stderr) for finding in item.findings]
        assert found, self.outcome.stderr
        assert found[0].category == self.cause["category"], f"{self.outcome.stderr}\n{found[0]}"

    def check_works(self) -> None:
        """The command did what it was asked to, and nothing is raised."""
        assert self.outcome.status == 0, self.outcome.stderr
        assert self.story["findings"] == []
        assert self.story["cause"] is None
        assert self.head.startswith("ok: ")
        assert "failed" not in self.states().values()

    def _check_evidence(self, evidence: Any, entry: Any, request: int) -> None:
        text, where = evidence["text"], evidence["where"]
        sent, got = entry["request"], entry["response"]
        body = got["content"].get("text", "")
        seen = next(one for one in self.story["requests"] if one["id"] == request)
        name = where.rpartition(" header ")[2]
        if where == "response status":
            assert text == f"{sent['method']} {_path(sent['url'])} → {got['status']} {got['statusText']}"
        elif where == "response header":
            assert tuple(text.split(": ", 1)) in {(field["name"], field["value"]) for field in got["headers"]}
        elif where in ("request header Authorization", "client certificate"):
            assert seen["identity"]["claimed"], self.report
        elif where == "server certificate":
            (leaf, *_) = entry["_mitmkube"]["connection"]["serverCertificates"]
            presented = x509.load_der_x509_certificate(base64.b64decode(leaf))
            (common_name,) = presented.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
            assert isinstance(common_name.value, str)
            assert text.startswith(f"CN={common_name.value}")
            assert f"{presented.not_valid_after_utc:%Y-%m-%d}" in text
        elif where == "request headers, TLS handshake":  # what is not there: the claims of a credential
            assert seen["identity"]["claimed"] is seen["identity"]["credential"] is None
        elif where.startswith(("request header ", "response header ")):
            fields = sent["headers"] if where.startswith("request") else got["headers"]
            assert name.lower() in {field["name"].lower() for field in fields}
        elif where == "request body":
            assert text.split()[-1] in sent["postData"]["text"]
        elif where == "request query":
            assert text in sent["url"]
        elif found := re.match(r"request (\d+)(?:, asked afterwards)?(?:, response body.*)?$", where):
            self._check_other_request(text, int(found[1]))
        elif where in ("requests before this one", "requests after this one", "command line"):
            pass  # what is not there, and what this program's own arguments say
        elif where == "kubeconfig":
            command = self.story["command"]
            assert any(name and name in text for name in (command["user"], command["context"]))
        elif where == "the command's requests":
            ids = {str(one["id"]) for one in self.story["requests"]}
            assert set(re.findall(r"requests? (\d+)|to (\d+)\)", text)[0]) & ids
        elif where == "time of the request":
            assert seen["started"][:10] in text
        elif where == "request":
            assert text == f"{sent['method']} {_path(sent['url'])}"
        elif where == "response headers":  # what is not there
            assert "Audit-Id" in text
            assert seen["audit_id"] is None
        elif where == "time to first byte":
            assert got["status"]
            assert entry["timings"]["wait"] >= 1000
        elif re.fullmatch(r"and \d+ more rules", text):
            pass  # beside those that are shown
        elif where == "response body, message without ?timeout":
            assert _squeezed(text) in _squeezed(re.sub(r"\?timeout=\w+", "", _message(body) or body))
        elif where.startswith(("response body, message", "response body, end")) or where in (
            "response body",
            "ERROR event in the watch stream",
        ):
            # In doubt a body is left out of a HAR; then the report alone quotes it.
            if got["content"].get("comment", "").startswith("left out"):
                return
            assert _squeezed(text) in _squeezed(_message(body) or body)
        elif where in ("response body, title of the page", "response body, the webhook's address"):
            assert text in body
        elif where == "response body, causes":
            causes = json.loads(body)["details"]["causes"]
            said = [_squeezed(f"{cause.get('field', '')} {cause['message']}") for cause in causes]
            assert any(_squeezed(text) in cause for cause in said)
        elif where.startswith(_LEGS):
            assert text == " ".join(seen["failure"]["message"].split())
        else:
            raise AssertionError(f"no test knows where this stands: {evidence}")

    def _check_other_request(self, text: str, request: int) -> None:
        """What another request showed: the versions, UIDs and managers that it is said to have shown."""
        received = self.entry(request)["response"]
        body = received["content"].get("text", "")
        for shown in re.findall(r"(?:resourceVersion|UID) ([0-9a-f-]+)", text):
            assert f'"{shown}"' in body
        for manager in re.findall(
            r"(?:written by|made at .* by|last to write was|since then wrote) ([\w.-]+)|^([\w.-]+) .*\bowns ", text
        ):
            assert f'"{"".join(manager)}"' in body
        if "is not there" in text:
            assert received["status"] == 404


def _message(body: str) -> str:
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    message = document.get("message") or document.get("object", {}).get("message")
    return message if isinstance(message, str) else ""


def _path(url: str) -> str:
    place = urlsplit(url)
    return place.path + (f"?{place.query}" if place.query else "")


def _squeezed(text: str) -> str:
    """The words alone: a report may set a colon where the server sets brackets, and it breaks and shortens."""
    return " ".join(re.sub(r"[\ufffd:()]", " ", text).split()).removesuffix(" …")


def _explained(text: str) -> list[Item]:
    return list(explain(reading.passages(Source(io.BytesIO(text.encode())))))
