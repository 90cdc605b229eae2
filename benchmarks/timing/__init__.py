"""Fair timing: contenders in turns, each in a process of its own; the machine and the results."""
