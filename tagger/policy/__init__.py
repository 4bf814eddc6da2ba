"""From probabilities to a decision: accepted, or flagged for a person."""
