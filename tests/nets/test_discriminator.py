"""The critic sees patches, of the size that its paper says."""

import torch

from rhinoise.nets.discriminator import DiscriminatorConfig, PatchDiscriminator


def test_a_score_sees_70_pixels() -> None:
    """The score in the middle changes with the pixels inside its 70 x 70 field alone (Isola et al. 2017)."""
    critic = PatchDiscriminator(DiscriminatorConfig(channels=2, layers=3)).eval()
    images = torch.rand(1, 3, 128, 128, requires_grad=True)
    scores = critic(images)
    assert scores.shape == (1, 1, 14, 14)
    (gradient,) = torch.autograd.grad(scores[0, 0, 7, 7], images)
    seen = gradient[0].abs().sum(0).nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [70, 70]
