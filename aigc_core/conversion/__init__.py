"""Models and samples that others made, as checkpoints of this library.

A *format* recognises such files by their names, says which of them it needs, and converts them into a checkpoint. The
converted checkpoint lies in the cache and is used like any other; its results are kept there too.
"""
