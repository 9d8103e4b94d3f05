"""What pictures are drawn from: an order, and what is written of it."""
