"""`python -m benchmarks.layer_latency`: runs `python -m exporters.layer_latency` under its earlier name."""

import sys

from exporters.layer_latency import main

if __name__ == "__main__":
    sys.exit(main())
