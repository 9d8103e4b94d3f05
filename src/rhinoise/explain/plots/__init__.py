"""Figures of numbers, drawn off screen. The home of matplotlib."""
