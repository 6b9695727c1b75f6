"""Tests that look at a page in Chromium."""
