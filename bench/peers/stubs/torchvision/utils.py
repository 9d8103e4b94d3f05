"""Pictures => a file."""

import numpy as np
from PIL import Image


def save_image(images, path, nrow=8):
    """Write "n c H W" in [0, 1] as one picture, `nrow` in a row."""
    rows = [np.concatenate(list(images[i : i + nrow]), axis=2) for i in range(0, len(images), nrow)]
    width = rows[0].shape[2]
    rows = [np.pad(row, ((0, 0), (0, 0), (0, width - row.shape[2]))) for row in rows]
    sheet = np.concatenate(rows, axis=1).transpose(1, 2, 0)
    Image.fromarray((sheet.clip(0, 1) * 255).round().astype(np.uint8)).save(path)
