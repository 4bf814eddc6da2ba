"""Evaluate and compare networks, and visualize their embeddings."""
