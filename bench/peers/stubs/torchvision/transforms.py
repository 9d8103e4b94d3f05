"""Pictures of Pillow => tensors, one transform after the other."""

import random

import numpy as np
import torch
from PIL import Image, ImageOps


class Compose:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, image):
        for transform in self.transforms:
            image = transform(image)
        return image


class Lambda:
    def __init__(self, function):
        self.function = function

    def __call__(self, image):
        return self.function(image)


class Resize:
    """The shorter side becomes `size`, or both sides what a pair says."""

    def __init__(self, size):
        self.size = size

    def __call__(self, image):
        if isinstance(self.size, int):
            scale = self.size / min(image.size)
            width, height = (round(side * scale) for side in image.size)
        else:
            height, width = self.size
        return image.resize((width, height), Image.Resampling.BILINEAR)


class RandomHorizontalFlip:
    def __call__(self, image):
        return ImageOps.mirror(image) if random.random() < 0.5 else image


class CenterCrop:
    def __init__(self, size):
        self.size = size

    def __call__(self, image):
        left, top = (image.width - self.size) // 2, (image.height - self.size) // 2
        return image.crop((left, top, left + self.size, top + self.size))


class ToTensor:
    """Bytes "H W c" => floats "c H W" in [0, 1]."""

    def __call__(self, image):
        array = np.atleast_3d(np.asarray(image, dtype=np.float32) / 255)
        return torch.from_numpy(array.transpose(2, 0, 1).copy())
