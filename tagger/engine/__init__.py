"""Prepare and classify streams of pictures: on this machine, or on a cluster."""
