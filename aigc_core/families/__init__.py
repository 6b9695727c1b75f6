"""Families of generative models: networks, training method and sampler of each."""
