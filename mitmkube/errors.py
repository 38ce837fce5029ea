"""What mitmkube says when it cannot do what was asked."""

from __future__ import annotations


class UserError(Exception):
    """One line for a person: what happened and what to do. Printed without a traceback."""
