"""kubectl asked localhost:8080, its default when no kubeconfig says anything.

What you see
    The connection to the server localhost:8080 was refused - did you specify the right host or port?

Why it happens
    No kubeconfig was found, or the one found is empty or has no current context. Then kubectl has neither a server
    nor credentials, and asks http://localhost:8080, where hardly any API server has listened for years.

What to do
    Name the kubeconfig (KUBECONFIG or --kubeconfig) or choose a context.

References
    - https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts


def check(facts: Facts) -> Finding | None:
    """A refused connection to http://localhost:8080."""
    request, failure = facts.exchange.request, facts.exchange.failure
    default = (
        request.path == "localhost:8080" if facts.exchange.tunnel else request.url.startswith("http://localhost:8080/")
    )
    if not default or failure is None or "refused" not in failure.message:
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary="No kubeconfig was in effect, so kubectl asked its default, localhost:8080, where nothing listens.",
        evidence=(evidence.failure(facts),),
        fix=(
            Fix(
                "see what kubectl has loaded, and choose a context or name the right file:",
                commands=("kubectl config get-contexts", "kubectl config use-context NAME", "export KUBECONFIG=FILE"),
            ),
        ),
    )


RULE = Rule(id="auth-no-kubeconfig", category=Category.AUTH, step=Step.COMMAND, check=check)
