"""LOS: losses and the labels they are given."""
