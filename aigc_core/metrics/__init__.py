"""Feature extractors and the figures computed from their features."""
