"""From the answers of one shop to a better network, or to the reason why not."""
