"""Readers of checkpoints: ours, the papers' authors' and the community's."""
