"""Tests of one part each, without a browser or a server."""
