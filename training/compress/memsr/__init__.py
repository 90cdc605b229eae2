"""Plain networks from residual teachers (MemSR, ICML 2022)."""
