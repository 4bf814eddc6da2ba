"""Read labelled images in the usual file formats."""
