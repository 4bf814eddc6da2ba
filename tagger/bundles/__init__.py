"""A trained network as a folder: read, run, install, inspect, adapt."""
