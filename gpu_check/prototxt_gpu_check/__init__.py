"""Floor 3: run one batch through a net (CuPy or NumPy) and judge the numbers."""
