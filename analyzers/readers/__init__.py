"""Readers: everything that is not live traffic becomes exchanges here."""
