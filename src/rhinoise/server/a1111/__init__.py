"""AUTOMATIC1111's API, /sdapi/v1: pictures from words or pictures, and the lists that its clients ask for.

A request of several pictures is several jobs, whose seeds follow each other: each seed that the answer names
draws its picture alone, too. What is not said is the model's own, not AUTOMATIC1111's default.
"""

from rhinoise.server.a1111.routes import router

__all__ = ["router"]
