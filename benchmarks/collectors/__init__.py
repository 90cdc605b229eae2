"""Measurements for the report: one module each, with a `measure(...)` that returns an object for JSON."""

SHOWN_IN_FULL = "srpn-lite-x4"
"""The shipped model that is compared with alternatives and measured on a large image in every way."""
