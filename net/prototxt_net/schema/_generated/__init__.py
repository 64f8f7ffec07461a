"""Tables written by net/tools/compile_schema.py from the schema's sources."""
