"""Measurements for the report. Each module has a function `measure` that returns an object for JSON."""

SHOWN_IN_FULL = "srpn-lite-x4"
"""The shipped model that is compared with alternatives and measured with every case of `large`."""
