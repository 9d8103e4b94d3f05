"""What happens inside, as numbers and as figures of those numbers."""
