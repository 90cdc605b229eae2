"""Fair timing: candidates that take turns, each in its own process; the machine and the results."""
