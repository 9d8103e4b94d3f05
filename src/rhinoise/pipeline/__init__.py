"""The parts bound into something that generates."""
