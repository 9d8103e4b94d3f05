"""rhinoise."""
