"""Tests against independent sources: reference libraries, autograd, hand calculation, real servers and browsers."""
