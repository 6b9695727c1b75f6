"""Data sets of images by name, one module each or one for sets of one source; each registers what it holds."""
