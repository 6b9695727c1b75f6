"""Benchmarks, run by hand as `python -m tests.benchmarks.NAME`: each prints a Markdown table; none is a test."""
