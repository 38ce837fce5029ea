"""An admission plugin asked the authorizer about a further permission, and the answer was no.

What you see
    Error from server (Forbidden): … is forbidden: user not permitted to approve requests with signerName
    "kubernetes.io/kube-apiserver-client"
    … is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on

Why it happens
    Some objects reach further than themselves, so being allowed to write them is not enough: approving or signing a
    certificate request needs the verb approve or sign on the signer; an owner reference that blocks deletion needs
    update on the owner's finalizers. Admission plugins ask the authorizer for these after the request was authorized,
    so it is a refusal at admission, although its cure is a permission.

What to do
    Grant the further permission.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#authorization
    - https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#ownerreferencespermissionenforcement
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence, rbac_grant
from analyzers.attributes import Attributes
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_SIGNER = re.compile(r'user not permitted to (?P<verb>approve|sign|attest)[^"]*"(?P<signer>[^"]*)"')
_ROLE = re.compile(r"--clusterrole=(\S+)")
_OWNER = re.compile(
    r"cannot set (?:an ownerRef|blockOwnerDeletion)[^,]*"
    r"(?:can't delete|can't set finalizers on|cannot find RESTMapping)"
)


def check(facts: Facts) -> Finding | None:
    """The words of the plugins that consult the authorizer."""
    text = answer.said(facts)
    if answer.code(facts) != 403 or answer.from_policy(facts):
        return None
    fixes: tuple[Fix, ...] = ()
    if found := _SIGNER.search(text):
        asked = Attributes(
            user=facts.user or "USER",
            verb=found["verb"],
            group="certificates.k8s.io",
            resource="signers",
            name=found["signer"],
        )
        summary = f"{answer.who(facts)} may not {found['verb']} certificates for the signer {found['signer']}."
        fix = _by_manifest(asked)
    elif _OWNER.search(text):
        delete = "can't delete" in text
        what = answer.thing(facts)
        if delete:
            asked = Attributes(
                user=facts.user or "USER",
                verb="delete",
                group=_group(facts),
                resource=answer.typed(facts).partition(".")[0] or "RESOURCE",
                name=answer.name(facts),
                namespace=answer.namespace(facts),
            )
            summary = f"{answer.who(facts)} may not give {what} an owner: that needs the right to delete it."
            fix = rbac_grant.fix(asked)
        else:
            summary = (
                f"{answer.who(facts)} may not let {what} hold up the deletion of its owner (blockOwnerDeletion): that "
                "needs the right to update the owner's finalizers."
            )
            fixes = (Fix("leave out blockOwnerDeletion"),)
            fix = Fix(
                "grant update on the finalizers of the owner's type:",
                by="a cluster administrator",
                commands=(
                    "kubectl create clusterrole owner-finalizers --verb=update --resource=RESOURCE.GROUP/finalizers",
                ),
            )
    else:
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=summary,
        evidence=(*evidence.refused(facts), *evidence.identity(facts)),
        fix=(*fixes, fix),
    )


def _group(facts: Facts) -> str:
    return answer.typed(facts).partition(".")[2]


def _by_manifest(asked: Attributes) -> Fix:
    """signers is no resource that kubectl create clusterrole could find, so the role is applied."""
    rule = (
        f'{{"apiGroups":["{asked.group}"],"resources":["signers"],"verbs":["{asked.verb}"],'
        f'"resourceNames":["{asked.name}"]}}'
    )
    bind = rbac_grant.commands(asked)[1]
    called = _ROLE.search(bind)
    name = called[1] if called is not None else f"signers-{asked.verb}"
    role = (
        '{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole",'
        f'"metadata":{{"name":"{name}"}},"rules":[{rule}]}}'
    )
    return Fix(
        "grant exactly that:", by="a cluster administrator", commands=(f"echo '{role}' | kubectl apply -f -", bind)
    )


RULE = Rule(id="request-permission-check", category=Category.REQUEST, step=Step.ADMISSION, check=check)
