"""Reading mail: one schema for every reader, and the reader that needs no model."""
