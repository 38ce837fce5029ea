"""What mitmkube says when it cannot do what was asked."""

from __future__ import annotations

BAD_INPUT = 2
"""The exit status of what cannot be used as it was given."""


class UserError(Exception):
    """One line for a person: what happened and what to do. Printed without a traceback.

    ``status`` is the exit status to end with, None for the command's usual one.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
