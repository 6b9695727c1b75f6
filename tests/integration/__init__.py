"""Tests of several parts together: processes, the local Hub, whole trainings."""
