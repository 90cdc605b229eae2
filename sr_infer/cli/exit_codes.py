"""What the `sr-infer` command ends with."""

DONE, SOME_FAILED, NOTHING_DONE = 0, 1, 2
