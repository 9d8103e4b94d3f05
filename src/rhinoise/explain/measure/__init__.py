"""Numbers: what a model does, measured."""
