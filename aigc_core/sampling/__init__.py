"""From a request to samples, and edits of their latents."""
