"""INI: what weights start at."""
