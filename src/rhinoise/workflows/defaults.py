"""What is done when nothing is said; told by the command line too, so nothing heavy is imported here."""

from rhinoise.storage.bundled import BUNDLED

DEFAULT_MODEL = BUNDLED
DEFAULT_RECIPE = "lean"
DEFAULT_SIZE = 64
"""Pixels a side."""
DEFAULT_STRENGTH = 0.6
"""How far a picture is changed: its layout stays, its details are new."""
DEFAULT_TIMES = 8
"""How often a picture is reconstructed."""
DEFAULT_SAMPLES = 1024
"""Pictures on each side of a comparison of sets; fewer inflate the Frechet distance."""
DEFAULT_POINTS = 5000
"""Pictures of an atlas."""
DEFAULT_COMPARED = 400
"""Pictures of it that the denoiser is looked into for, twice each: half of an atlas's time at 128 pixels."""
