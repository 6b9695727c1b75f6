"""Kinds of samples: images, and whatever registers itself beside them."""
