"""What the stages of a training share: the run and its clock, the recipe, the pictures, the parts."""

from collections.abc import Iterator

from torch import nn

from rhinoise.core.errors import RunFolderError
from rhinoise.core.files import digest
from rhinoise.explain.plots.style import Figure, save_figure
from rhinoise.nets.autoencoder import CentredAutoencoder
from rhinoise.nets.text import TextEncoder
from rhinoise.recipes.recipe import Recipe
from rhinoise.storage.bundle import Bundle
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.pictures import Pictures
from rhinoise.workflows.stages.build import build_text_encoder
from rhinoise.workflows.stages.plan import check_room, check_text
from rhinoise.workflows.stages.stage import Clock

SHOWN = 16
"""Pictures in a grid, half of them held out."""
CHUNK = 64
"""Pictures or captions that are encoded at a time."""
LATENTS_KEY = "latents"
"""Under which the plan says where in the cache the latents are."""


class Training:
    """One training: of which parts, on what, into which run."""

    def __init__(
        self,
        run: RunFolder,
        clock: Clock,
        recipe: Recipe,
        pictures: Pictures,
        autoencoder: CentredAutoencoder,
        network: nn.Module,
        start: Bundle | None = None,
    ) -> None:
        """The parts to train; with `start` its text encoder, and what the model is said to come from."""
        self.run, self.clock, self.recipe, self.pictures = run, clock, recipe, pictures
        self.autoencoder, self.network, self.start = autoencoder, network, start
        self.text_encoder = (
            build_text_encoder(recipe.text, pictures.learnt, seed=recipe.seed + 2)
            if start is None
            else start.text_encoder
        )
        self.joint = recipe.text_training == "joint" and isinstance(self.text_encoder, TextEncoder)

    def begin(self) -> Iterator[Event]:
        """Whether parts, room and data are as they should be; what is lost of the captions."""
        recipe, text_encoder = self.recipe, self.text_encoder
        check_text(recipe, text_encoder)
        rows, context = self.pictures.captions.rows, text_encoder.context
        if cut := text_encoder.too_long(rows):
            remedy = f": --set text.context={2 * context} takes more of them in" if self.start is None else ""
            yield Said(
                f"{cut} of {len(rows)} captions are longer than {context} tokens and are cut there{remedy}"
            )
        side, modules = recipe.size // self.autoencoder.factor, [self.autoencoder, self.network, text_encoder]
        numbers = len(self.pictures.prepared) * self.autoencoder.latent_channels * side**2
        check_room(self.run.root, modules, latent_numbers=numbers)
        data = digest(self.pictures.prepared.key, *self.pictures.captions.rows)
        if self.run.recall("data", lambda: data) != data:
            raise RunFolderError(
                f"the pictures or captions have changed since {self.run.root} was begun: put them back, "
                "or train into another --out"
            )

    def figure(self, name: str, figure: Figure) -> Wrote:
        """A figure among the run's samples."""
        save_figure(figure, self.run.samples / name)
        return Wrote(self.run.samples / name)
