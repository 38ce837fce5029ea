"""The "Kubernetes" view of mitmweb: what the request was and what went wrong, above the body."""

from __future__ import annotations

import json

import yaml
from mitmproxy import contentviews, http

from proxy_addons.annotate import VIEW


class KubernetesView(contentviews.Contentview):
    """Chosen by itself for every flow that was annotated."""

    name = "Kubernetes"
    syntax_highlight = "yaml"

    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        above = str(metadata.flow.metadata.get(VIEW, "")) if metadata.flow is not None else ""
        body = _pretty(data)
        return f"{above}\n\n{body}" if body else above

    def render_priority(self, data: bytes, metadata: contentviews.Metadata) -> float:
        annotated = isinstance(metadata.flow, http.HTTPFlow) and VIEW in metadata.flow.metadata
        return 10 if annotated else -1


def _pretty(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(decoded, dict | list):
        return text
    return str(yaml.safe_dump(decoded, sort_keys=False, allow_unicode=True, width=120))
