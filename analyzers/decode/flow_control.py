"""Which FlowSchema and priority level a request was counted to.

Every answer that passed API priority and fairness carries these headers, a success too: their presence proves that
authentication and flow control were passed, not that anything was throttled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from analyzers.decode.untrusted import name


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowControl:
    """UIDs of a FlowSchema and a PriorityLevelConfiguration; "" for one that is missing."""

    flow_schema_uid: str = ""
    priority_level_uid: str = ""


def decode(header_fields: Iterable[tuple[str, str]]) -> FlowControl | None:
    """The UIDs in a response's header fields, None when there are none."""
    flow_schema = priority_level = ""
    for key, value in header_fields:
        lowered = key.lower()
        if lowered == "x-kubernetes-pf-flowschema-uid":
            flow_schema = flow_schema or name(value)
        elif lowered == "x-kubernetes-pf-prioritylevel-uid":
            priority_level = priority_level or name(value)
    if not (flow_schema or priority_level):
        return None
    return FlowControl(flow_schema_uid=flow_schema, priority_level_uid=priority_level)
