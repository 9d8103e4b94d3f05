"""A critic of patches, for the adversarial part of an autoencoder's training."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from rhinoise.core.shapes import Images


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """The shape of a `PatchDiscriminator`: channels of its first layer, and how often it halves."""

    channels: int
    layers: int


class PatchDiscriminator(nn.Module):
    """PatchGAN (Isola et al. 2017, section 3.2.2): one score per overlapping patch; higher means more real.

    With 3 layers a score sees 70 x 70 pixels. Channels double with every halving, up to eight times.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.channels * min(2**layer, 8) for layer in range(config.layers + 1)]
        # The first layer has no normalisation, the one before the scores no stride.
        blocks: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for layer in range(1, config.layers + 1):
            stride = 2 if layer < config.layers else 1
            blocks += [
                nn.Conv2d(widths[layer - 1], widths[layer], 4, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(widths[layer]),
                nn.LeakyReLU(0.2),
            ]
        self.blocks = nn.Sequential(*blocks, nn.Conv2d(widths[-1], 1, 4, padding=1))

    def forward(self, images: Images) -> Float[Tensor, "b 1 h w"]:
        """Images => a score per patch."""
        return self.blocks(images)
