"""Write the measured results as one self-contained HTML page and as docs/BENCHMARKS.md."""
