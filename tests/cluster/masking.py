"""What differs between any two runs of a command, and nothing else: each is a thing with a name of its own.

Two runs that look at the same objects differ in ages, and hardly more. Two runs that each make their objects, in
namespaces of their own, differ in what the cluster and kubectl make up for each of them besides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# 5s, 2m15s, 3h4m, 2d1h, as kubectl's tables and descriptions have them. What stands in a table is padded to the width
# of its column, and so is the title of a column that is no wider than what it holds.
_AGE = r"(?<![\w.=-])(?:\d+[dhms]){1,2}(?![\w.-])"
_NAME_SUFFIX = "[bcdfghjklmnpqrstvwxz2456789]{5}"

# Of any two runs: they are never at one time, a list, a review and a lease are of the moment, and kubectl diff makes
# folders for its files.
ALWAYS: Mapping[str, str] = {
    "AGE": rf"{_AGE}(?: ago)? *|(?<=AGE) +|(?<=  Age) +|(?<=  ----) +(?=----  )",
    "LIST-VERSION": r'(?<=List","apiVersion":"v1","metadata":{"resourceVersion":")\d+'
    r'|(?<=List\nmetadata:\n  resourceVersion: ")\d+',
    "REVIEW-TIME": r'(?<=kind: SelfSubjectReview\nmetadata:\n  creationTimestamp: ")[^"]+',
    "LEASE-TIME": r"(?<=  RenewTime:       )\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000",
    "DIFF-FOLDER": r"(?<=/)(?:LIVE|MERGED)-\d+",
    "FILE-TIME": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000",
}

# Of two runs that each make their own.
MADE_APART: Mapping[str, str] = {
    "TIME": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|[MTWFS][a-z]{2}, \d\d \w{3} \d{4} [\d:]{8} \+0000",
    "HELM-TIME": r"[MTWFS][a-z]{2} \w{3} +\d+ [\d:]{8} \d{4}|\d{4}-\d\d-\d\d [\d:]{8}\.\d+ \+0000 UTC *"
    r"|(?<=\tUPDATED) +",
    "UID": r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    "RESOURCE-VERSION": r'(?<=resourceVersion: ")\d+|(?<="resourceVersion": ")\d+|(?<="resourceVersion":")\d+',
    # Of a Deployment and its ReplicaSets, whose hash holds the time of a restart; of a Job; what kubectl makes up.
    "POD-NAME": rf"(?<=web-)[0-9a-z]{{8,10}}-{_NAME_SUFFIX}\b|(?<=job-){_NAME_SUFFIX}\b",
    "HASH": r"(?<=web-)[bcdfghjklmnpqrstvwxz2456789]{8,10}\b|(?<=pod-template-hash[=:])[bcdf-hj-np-tv-xz2456789]+",
    "VOLUME-NAME": rf"(?<=kube-api-access-){_NAME_SUFFIX}\b",
    "POD-IP": r"\b10\.0\.0\.\d+\b *|(?<= IP) +(?=NODE )",
    "NODE-PORT": r"(?<=nodePort: )3\d{4}|(?<=:)3\d{4}(?=/TCP)",
    "TOKEN": r"eyJ[\w-]+\.[\w-]+\.[\w-]+",
}


def masked(text: str, masks: Mapping[str, str]) -> str:
    """``text`` with the name of each mask in the place of what it matches."""
    for name, pattern in masks.items():
        text = re.sub(pattern, name, text)
    return text
