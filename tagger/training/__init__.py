"""Train a network on labelled images, by a recipe or as an article does."""
