"""Where a model looked for each word while it drew, and what changes when the word is dropped.

The maps are those of Hertz et al. (2023) and of DAAM (Tang et al. 2023): the attention of the picture's
tokens to the text's, averaged over heads and blocks. They tell where a token's *state* was read, not why the
picture is as it is: the text encoder has mixed the words before, and attention need not explain an answer
(Jain & Wallace 2019). So beside each map stands an experiment: the same noise, the caption without the word.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import einsum, reduce
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import Images
from rhinoise.diffusion.samplers import Step
from rhinoise.explain.measure.words import Word
from rhinoise.nets.attention import Look, recorded
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest

Size = tuple[int, int]

NO_WORD = 'there is no word to look at: say what to draw, for example "a red heart"'


@dataclass(frozen=True, kw_only=True)
class StepMaps:
    """How the attention of one step was divided: the mean of its passes, and of heads and blocks."""

    by_size: dict[Size, Float[Tensor, "k _ _"]]
    """Rows and columns of a resolution => a map per word, the mean of the blocks of that resolution."""
    maps: Float[Tensor, "k h w"]
    """A map per word at the finest resolution, the mean of all blocks."""
    totals: Float[Tensor, "k"]
    """Each word's share of all the attention."""
    before: float
    """The share of what stands before the caption: the start token."""
    after: float
    """The share of what stands behind it: the end token, and padding where the network sees it."""
    picture: float
    """The share of the picture's own tokens, where words and picture are looked at alike."""


@dataclass(frozen=True, kw_only=True)
class WordMaps:
    """The same for all steps `s`, with the share of noise sigma / (alpha + sigma) that each began at."""

    words: tuple[Word, ...]
    noise: Float[Tensor, "s"]
    by_size: dict[Size, Float[Tensor, "s k _ _"]]
    maps: Float[Tensor, "s k h w"]
    totals: Float[Tensor, "s k"]
    before: Float[Tensor, "s"]
    after: Float[Tensor, "s"]
    picture: Float[Tensor, "s"]

    @property
    def mean(self) -> Float[Tensor, "k h w"]:
        """A map per word, the mean of the steps."""
        return self.maps.mean(0)


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """The picture that the same noise gives without a word, and how far it is from the one with it."""

    caption: str
    image: Images
    change: Float[Tensor, "H W"]
    """The root mean square of the colours' differences at each pixel, in bytes (0 to 255)."""

    @property
    def rms(self) -> float:
        """The same over the whole picture, in bytes."""
        return root_mean_square(self.change)


def watched(
    model: LatentDiffusion, request: GenerateRequest, words: Sequence[Word]
) -> Iterator[tuple[Step, StepMaps]]:
    """Draw a request's one picture, and tell after each step where the model looked for each word.

    Only the pass with the caption counts, where guidance makes another without.

    Raises:
        ConfigError: the network has no attention to words, or there is no word with a token to look at.
    """
    if not any(word.places for word in words):
        raise ConfigError(NO_WORD)
    assert request.count == 1
    with recorded(model.denoiser.network, 1) as looks:
        for step in model.steps(request):
            yield step, divided(looks, words)
            looks.clear()


def divided(looks: Sequence[Look], words: Sequence[Word]) -> StepMaps:
    """What the first picture of some passes looked at.

    Tokens => words are sums, blocks and passes => one are means.
    """
    groups: dict[Size, list[Look]] = {}
    for look in looks:
        groups.setdefault((look.text.shape[2], look.text.shape[3]), []).append(look)
    texts = {
        size: torch.stack([look.text[0] for look in own]).mean(0).cpu()
        for size, own in sorted(groups.items())
    }
    parts = {size: len(own) / len(looks) for size, own in groups.items()}
    member = torch.zeros(len(words), looks[0].text.shape[1])
    for row, word in enumerate(words):
        member[row, list(word.places)] = 1
    by_size = {size: einsum(member, text, "k l, l h w -> k h w") for size, text in texts.items()}
    tokens = torch.stack(
        [parts[size] * reduce(text, "l h w -> l", "mean") for size, text in texts.items()]
    ).sum(0)
    seen = [place for word in words for place in word.places]
    return StepMaps(
        by_size=by_size,
        maps=torch.stack([parts[size] * at_size(maps, max(texts)) for size, maps in by_size.items()]).sum(0),
        totals=member @ tokens,
        before=float(tokens[: min(seen)].sum()),
        after=float(tokens[max(seen) + 1 :].sum()),
        picture=float(torch.stack([look.picture[0].mean() for look in looks]).mean()),
    )


def gathered(words: Sequence[Word], noise: Float[Tensor, "s"], steps: Sequence[StepMaps]) -> WordMaps:
    """The maps of all steps in one record; `noise` is the share that each step began at."""
    return WordMaps(
        words=tuple(words),
        noise=noise,
        by_size={size: torch.stack([step.by_size[size] for step in steps]) for size in steps[0].by_size},
        maps=torch.stack([step.maps for step in steps]),
        totals=torch.stack([step.totals for step in steps]),
        before=torch.tensor([step.before for step in steps]),
        after=torch.tensor([step.after for step in steps]),
        picture=torch.tensor([step.picture for step in steps]),
    )


def at_size(maps: Float[Tensor, "k h w"], size: Size) -> Float[Tensor, "k H W"]:
    """The same maps, smoothly, at a larger size; twice, four times ... the size keeps their means."""
    if tuple(maps.shape[1:]) == size:
        return maps
    return F.interpolate(maps[None], size=size, mode="bilinear")[0]


def relative(maps: Float[Tensor, "*k h w"]) -> Float[Tensor, "*k h w"]:
    """How much each place looks at a word, times the word's mean: a word looked at evenly is 1 everywhere."""
    mean = maps.mean((-2, -1), keepdim=True)
    return maps / mean.clamp(min=torch.finfo(maps.dtype).tiny)


def concentration(maps: Float[Tensor, "*k h w"]) -> Float[Tensor, "*k"]:
    """1 - H / log n, of a map over n places with entropy H: 0 is even, 1 is a single place."""
    shares = (maps / maps.sum((-2, -1), keepdim=True)).flatten(-2)
    entropy = torch.special.entr(shares).sum(-1)
    return 1 - entropy / math.log(max(2, shares.shape[-1]))


def change(image: Images, other: Images) -> Float[Tensor, "H W"]:
    """How far two pictures are apart at each pixel: the root mean square of the colours, in bytes."""
    return 127.5 * (image - other)[0].square().mean(0).sqrt()


def root_mean_square(difference: Float[Tensor, "H W"]) -> float:
    """A difference at each pixel => one of the whole picture, in the same unit."""
    return float(difference.square().mean().sqrt())


def agreements(maps: Float[Tensor, "k h w"], changes: Float[Tensor, "n H W"]) -> Float[Tensor, "n k"]:
    """Whether a change lies where the model looked: the correlation of each change with each word's map.

    At the maps' own places, from -1 to 1; nan where a map or a change is the same everywhere. A change that
    fits the other words' maps as well as its own says that the maps mark the object, not the word.
    """
    coarse = F.adaptive_avg_pool2d(changes, (maps.shape[1], maps.shape[2]))
    one, other = (each.flatten(1) - each.flatten(1).mean(1, keepdim=True) for each in (coarse, maps))
    return one @ other.T / torch.outer(one.norm(dim=1), other.norm(dim=1))
