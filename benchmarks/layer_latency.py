"""`python -m benchmarks.layer_latency`: the earlier name of `python -m exporters.layer_latency`."""

import sys

from exporters.layer_latency import main

if __name__ == "__main__":
    sys.exit(main())
