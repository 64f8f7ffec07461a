"""FRZ: freezing layers, and what still moves."""
