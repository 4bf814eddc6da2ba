"""Adapt a network to one shop: fine-tune it on decisions, and judge it."""
