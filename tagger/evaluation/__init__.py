"""Evaluate, compare and look into networks."""
