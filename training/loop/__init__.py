"""The training loop: one step after another, validated, logged and resumable."""
