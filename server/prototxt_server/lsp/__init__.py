"""The language server: handlers of a few lines over `assist`, and the only place where LSP types appear."""
