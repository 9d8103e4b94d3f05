"""OpenAI's images API, /v1: generations, edits and variations, at once or as a stream; the list of models.

Beyond it, `seed` may be given. An edit without a mask changes the whole picture, one with a mask only where
that is transparent; a variation is an edit without words.
"""

from rhinoise.server.openai.routes import router

__all__ = ["router"]
