"""Checkpoints: what a folder of one holds, reading and writing it."""
