"""Read images to arrays and write arrays to files: one room for all formats."""
