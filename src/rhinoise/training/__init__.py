"""Tasks, the loop, checkpoints. One generator over one loop for every stage."""
