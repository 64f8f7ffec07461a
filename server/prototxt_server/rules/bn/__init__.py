"""BN: batch normalisation and the Scale behind it."""
