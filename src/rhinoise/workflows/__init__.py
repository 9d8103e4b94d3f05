"""Every use case, on plain values, as generators of events."""
