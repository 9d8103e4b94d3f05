"""What OpenAI's images API asks for: the fields with a counterpart, and IGNORED, those without."""

from typing import Annotated, Any, Literal

from pydantic import Field

from rhinoise.core.errors import ConfigError
from rhinoise.server.asks import GenerateAsk, Name, Seed, Text
from rhinoise.server.drawing import SAID, Form, Format, size_said
from rhinoise.server.ignored import ANYTHING, Foreign, Harmless

IGNORED: Harmless = {
    "quality": ("auto", "standard"),
    "style": ("vivid",),
    "background": ("auto", "opaque"),
    "moderation": ("auto",),
    "input_fidelity": ("low",),
    "user": ANYTHING,
    "safety_identifier": ANYTHING,
}
"""What has no counterpart => where nothing is lost by that."""


class ImagesAsk(Foreign):
    """What the three have in common."""

    model: Name | None = Field(default=None, description="None: the server's first.")
    n: Annotated[int, Field(ge=1, le=10)] | None = None
    size: Annotated[str, Field(pattern=SAID)] | None = Field(
        default=None, description="auto: what the model draws; in another size it is resampled."
    )
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Format | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    seed: Seed | None = Field(default=None, description="Ours: one seed, one picture.")

    def form(self) -> Form:
        """How the pictures are sent; ConfigError where that contradicts itself."""
        if (self.output_format or "png") == "png" and self.output_compression not in (None, 100):
            raise ConfigError("output_compression is of jpeg and webp: a png is as it is")
        if self.stream and self.response_format == "url":
            raise ConfigError("a stream carries its pictures: ask for response_format b64_json")
        return Form(
            format=self.output_format or "png",
            size=size_said(self.size),
            quality=100 if self.output_compression is None else self.output_compression,
        )

    def drawing(self, prompt: str, **values: Any) -> GenerateAsk:
        """As a request of our own."""
        shown = bool(self.stream and self.partial_images)
        return GenerateAsk(
            prompt=prompt, model=self.model or "", count=self.n or 1, seed=self.seed, preview=shown, **values
        )


class GenerationAsk(ImagesAsk):
    """With words."""

    prompt: Text
