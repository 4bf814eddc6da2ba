"""Labelled images, from the forms in which people keep them."""
