"""Time to quality: `python -m bench.quality` trains us and the peers, judges what they draw."""
