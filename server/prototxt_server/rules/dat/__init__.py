"""DAT: data layers and their transformations."""
