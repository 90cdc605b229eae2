"""What the report measures: a module a part, each with `measure(subject, ...)` that gives what JSON can hold."""

SHOWN_IN_FULL = "srpn-lite-x4"
"""The shipped model that is also set beside alternatives and run on a large picture in every way."""
