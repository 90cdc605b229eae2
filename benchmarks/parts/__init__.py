"""What the report measures: a module a part, each with `measure(subject, ...)` that gives what JSON can hold."""
