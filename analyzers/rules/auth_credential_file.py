"""A file with the certificate, key or token that the kubeconfig names cannot be read, or holds something else.

What you see
    error: unable to read client-cert /home/jane/client.crt for jane due to open …: no such file or directory
    error: tls: private key does not match public key
    error: tls: failed to find any PEM data in certificate input
    error: open /home/jane/token: no such file or directory

Why it happens
    The kubeconfig was copied without the files it names, the local cluster that wrote them was deleted, the key belongs
    to another certificate, or the data was damaged (encoded twice, cut off).

What to do
    Take the kubeconfig again from where it was made, with its files or with the data inside.

References
    - https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.rules import auth_in_cluster

if TYPE_CHECKING:
    from analyzers.facts import Facts

_FILE = re.compile(
    r"unable to read (?P<what>client-cert|client-key) (?P<file>\S+) for \S+ due to (?P<why>[^\n]*)"
    r"|failed to read token file \"(?P<token>[^\"]*)\": (?P<token_why>[^\n]*)"
    r"|read empty token from file \"(?P<empty>[^\"]*)\""
    r"|\bopen (?P<open>\S{0,300}(?:token|\.crt|\.key|\.pem)\S{0,200}): "
    r"(?P<open_why>no such file or directory|permission denied)"
)
_PAIR = re.compile(r"private key does not match public key|private key type does not match public key type")
_PEM = re.compile(
    r"failed to find any PEM data|failed to find (?:certificate PEM|\"CERTIFICATE\"|PEM block)"
    r"|failed to parse (?:EC )?private key"
    r"|(?:config|certificate|key)[^\n]{0,200}illegal base64 data|asn1: structure error"
    r"|unable to parse (?:client|private) (?:certificate|key)"
    r"|tls: (?:failed to parse private key|unknown public key algorithm)|no PEM data found"
    r"|found a certificate rather than a key"
)
_KIND = {"client-cert": "client certificate", "client-key": "key"}


def check(facts: Facts) -> Finding | None:
    """client-go's words for certificate, key or token files, and those of Go's tls for what stands in them."""
    text = printed(facts)
    if "certificate-authority" in text or "config file" in text or "getting credentials" in text:
        return None
    if auth_in_cluster.check(facts) is not None:
        return None
    found = _FILE.search(text)
    if found is not None:
        kind = _KIND.get(found["what"] or "", "token" if "token" in found[0] else "certificate or key")
        file = found["file"] or found["token"] or found["empty"] or found["open"]
        why = found["why"] or found["token_why"] or found["open_why"] or "it is empty"
        reason = "it is not there" if "no such file" in why else "you may not read it" if "denied" in why else why
        summary = f"The {kind} that the kubeconfig names, {file}, cannot be used: {reason}."
    elif _PAIR.search(text):
        summary = "The kubeconfig's key belongs to another certificate than the one it is named with."
    elif _PEM.search(text):
        summary = "The kubeconfig's client certificate or key is damaged: it cannot be read."
    else:
        return None
    data = "kubectl config view --minify --raw -o jsonpath='{.users[0].user.client-certificate-data}'"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=summary,
        evidence=evidence.refused(facts),
        fix=(
            Fix("take the kubeconfig again from where it was made, with the files or with the data inside"),
            *(
                ()
                if found is not None
                else (
                    Fix(
                        "see what the certificate is:",
                        commands=(f"{data} | base64 -d | openssl x509 -noout -subject -dates",),
                    ),
                )
            ),
        ),
    )


RULE = Rule(id="auth-credential-file", category=Category.AUTH, step=Step.CREDENTIALS, check=check)
