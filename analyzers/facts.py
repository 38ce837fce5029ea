"""Every decoder, once, when asked: what rules and reports read instead of headers and bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property

from analyzers.attributes import Attributes
from analyzers.decode import certificate, flow_control, impersonation, request_info, status, warning
from analyzers.decode.certificate import Certificate
from analyzers.decode.credential import Credential
from analyzers.decode.flow_control import FlowControl
from analyzers.decode.impersonation import Impersonation
from analyzers.decode.request_info import RequestInfo
from analyzers.decode.status import Status
from analyzers.decode.untrusted import name, text
from analyzers.exchange import Exchange

# A webhook may say as much as it pleases, and every rule looks through it.
_LONGEST_MESSAGE = 16 * 1024
# As much of a foreign body as client-go shows.
_LONGEST_TEXT = 2048
_POLICY = re.compile(r"admission webhook \"|ValidatingAdmissionPolicy '|policy '[^']*' with binding '")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What an exchange means. Each fact is decoded when first read, and kept; none raises."""

    exchange: Exchange

    @classmethod
    def of(cls, exchange: Exchange) -> Facts:
        """The facts of ``exchange``. Decodes nothing yet."""
        return cls(exchange=exchange)

    @cached_property
    def request_info(self) -> RequestInfo | None:
        """What the API server was asked; None for what it never sees (a CONNECT, a foreign host) or what is unknown."""
        if self.exchange.tunnel or self.exchange.foreign or not self.exchange.request.known:
            return None
        return request_info.decode(self.exchange.request.method, self.exchange.api_path)

    @cached_property
    def status(self) -> Status | None:
        """The Status in the response body, or that with which a watch or an upgraded connection failed once begun.

        Of its message at most 16,384 characters.
        """
        response = self.exchange.response
        if response is None:
            return None
        if response.error_event is not None and response.status < 300:
            return _shortened(status.decode_event(response.error_event))
        return _shortened(status.decode(response.body, response.headers.get("Content-Type")))

    @cached_property
    def text(self) -> str:
        """The response body as text, at most 2048 characters, when it is no Status; "" otherwise."""
        response = self.exchange.response
        if response is None or not response.body or self.status is not None:
            return ""
        # Four bytes a character at most.
        return text(response.body[: 4 * _LONGEST_TEXT].decode("utf-8", "replace")[:_LONGEST_TEXT])

    @cached_property
    def audit_id(self) -> str:
        """The Audit-Id of the answer: the key into the server's audit log. "" when something else answered."""
        response = self.exchange.response
        return name(response.headers.get("Audit-Id")) if response is not None else ""

    @cached_property
    def flow_control(self) -> FlowControl | None:
        """What flow control counted the request to; None when the answer does not say."""
        response = self.exchange.response
        return flow_control.decode(response.headers) if response is not None else None

    @cached_property
    def retry_after(self) -> int | None:
        """Seconds after which the server wants to be asked again, None when it does not say. client-go obeys it."""
        response = self.exchange.response
        if response is None:
            return None
        value = response.headers.get("Retry-After").strip()
        if re.fullmatch(r"[0-9]{1,9}", value):
            return int(value)
        if not response.headers and self.status is not None:  # a pasted message; the header repeats this number
            return self.status.details.retry_after_seconds or None
        return None

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """The server's warnings, as kubectl prints them."""
        response = self.exchange.response
        return warning.decode(response.headers) if response is not None else ()

    @cached_property
    def client_certificate(self) -> Certificate | None:
        """The certificate that the client presented, None without one."""
        connection = self.exchange.connection
        found = connection.client_certificates if connection is not None else ()
        return certificate.decode(found[0]) if found else None

    @cached_property
    def server_certificate(self) -> Certificate | None:
        """The certificate that the server presented, None when it was not seen."""
        connection = self.exchange.connection
        found = connection.server_certificates if connection is not None else ()
        return certificate.decode(found[0]) if found else None

    @property
    def credential(self) -> Credential | None:
        """What the Authorization header said, None without one."""
        return self.exchange.credential

    @cached_property
    def impersonation(self) -> Impersonation | None:
        """Whom the request wants to act as, None when nobody else."""
        return impersonation.decode(self.exchange.request.headers)

    @cached_property
    def user(self) -> str:
        """Who the API server says the user is, as its refusals do; else who the request claims to be; "" unknown."""
        return self._refused_user() or self._claimed_user()

    def _refused_user(self) -> str:
        response, said = self.exchange.response, self.status
        if response is None or 403 not in (response.status, said.code if said is not None else 0):
            return ""
        message = said.message if said is not None else self.text
        if _POLICY.search(message):  # a policy may say what it pleases
            return ""
        refusal = Attributes.of_refusal(message)
        return refusal.user if refusal is not None else ""

    def _claimed_user(self) -> str:
        if self.impersonation is not None and self.impersonation.user:
            return self.impersonation.user
        if self.client_certificate is not None and self.client_certificate.subject_cn:
            return self.client_certificate.subject_cn
        if self.credential is not None:
            return self.credential.username or self.credential.subject
        return ""


def _shortened(found: Status | None) -> Status | None:
    if found is None or len(found.message) <= _LONGEST_MESSAGE:
        return found
    return replace(found, message=found.message[:_LONGEST_MESSAGE])
