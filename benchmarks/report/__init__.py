"""The report: what was measured as one self-contained page and as docs/BENCHMARKS.md."""
