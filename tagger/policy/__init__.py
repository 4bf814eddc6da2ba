"""Turn probabilities into a verdict: accepted, or flagged for a person."""
