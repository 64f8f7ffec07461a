"""Floor 4: rules, language server, command line, reports, configuration."""
