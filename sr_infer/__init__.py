"""Super-resolution on a plain CPU: one call, any image size, bounded memory."""

__version__ = "0.1.0"
