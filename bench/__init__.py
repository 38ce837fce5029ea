"""Compares mitmkube with bare mitmdump and with no proxy at all, side by side on a real cluster: ``make bench``."""
