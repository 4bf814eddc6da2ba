"""Read, run, install and inspect bundles: folders with a trained network."""
