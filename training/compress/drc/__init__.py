"""Dual regression compression (DRC, arXiv 2207.07929)."""
