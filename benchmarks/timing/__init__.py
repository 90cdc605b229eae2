"""Fair timing of candidates that take turns in their own processes, and the files of results."""
