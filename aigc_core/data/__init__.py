"""Real data: named sets and folders, as stored tensors."""
