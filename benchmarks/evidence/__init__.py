"""Ablation tables on tiny networks, one short run a row, kept as JSON lines beside the code and grown over days."""
