"""Compressed super-resolution networks: architectures, data, training and compression."""
