"""SCH: fields, enum values and layer types that a dialect does not have, and older ways of writing."""
