"""Latency, peak memory and quality, measured on the reader's own machine."""
