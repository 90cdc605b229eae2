"""Ablation tables on tiny networks, with one short run per row. JSON-lines files beside the code keep the rows."""
