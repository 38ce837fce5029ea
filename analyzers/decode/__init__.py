"""Decoders: one module each, with one dataclass and one ``decode()``.

All are total. Whatever the bytes, they return what could be read, or None; they never raise. What they read comes from
the network, so text is bounded and stripped of control characters where it may end up on a terminal.
"""
