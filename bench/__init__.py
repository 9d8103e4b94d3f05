"""Measurements beside the peers: `make bench` runs them, `python -m bench.run --help` says how."""
