"""From a recipe and data to checkpoints."""
