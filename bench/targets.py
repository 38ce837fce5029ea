"""What is to be reached, of everything that is measured."""

from __future__ import annotations

from bench.figures import Target

RATE_AGAINST_HTTP1 = Target(limit=1.3, beyond=1.6, at_least=True)
RATE_AGAINST_HTTP2 = Target(limit=2.5, at_least=True)
FIRST_BYTE_AGAINST_DIRECT = Target(limit=1.15, beyond=1.05)
EVENT_DELAY_OVER_STREAMING = Target(limit=0)
MEMORY_GROWTH = Target(limit=1.1)
COLD_AGAINST_VERSION = Target(limit=0.8, beyond=0.65)
RUNNING_ADDED_MS = Target(limit=20, beyond=10)
AUDIT_MEGABYTES_PER_SECOND = Target(limit=50, at_least=True)
