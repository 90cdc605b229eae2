"""`python -m sr_infer` is the `sr-infer` command."""

from sr_infer.cli import main

main()
