"""STY: matters of layout; all off unless selected."""
