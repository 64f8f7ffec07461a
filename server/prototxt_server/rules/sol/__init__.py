"""SOL: solver files."""
