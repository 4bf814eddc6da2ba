"""From an image file to an upright picture to the arrays a network takes."""
