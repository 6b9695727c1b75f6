"""The library's version, which checkpoints, results and files carry."""

__version__ = "0.1.0"
