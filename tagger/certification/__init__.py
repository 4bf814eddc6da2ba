"""From audited answers to thresholds with a guaranteed precision."""
