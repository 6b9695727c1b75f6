"""Models and samples that others made, as checkpoints of this library.

A *format* knows such files by their names, says which of them it needs, and makes a checkpoint of them. From there on
everything is as with our own: what was converted lies in the cache, as a checkpoint's folder, with its results.
"""
