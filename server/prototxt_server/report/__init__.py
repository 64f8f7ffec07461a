"""One file a format: findings -> text. No format knows how the findings came about."""
