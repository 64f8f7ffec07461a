"""Findings -> text: one small function a format, imported on use. No format knows how the findings came about."""
