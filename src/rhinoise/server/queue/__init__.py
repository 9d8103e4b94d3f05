"""The queue: what is accepted, where each job stands, who is at what, and the workers as it sees them."""
