"""The rule catalogue: one file a rule, or one small family that shares a decision procedure."""
