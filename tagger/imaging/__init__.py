"""Decode picture files and make the arrays that a network takes."""
