"""Captioned pictures: folders as people have them, data sets of the hub, and the embedded emoji."""
