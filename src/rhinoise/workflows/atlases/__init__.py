"""What an atlas is made of: which pictures, their latents and thumbnails, the spaces they lie in."""
