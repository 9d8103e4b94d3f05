"""Model folders in diffusers' layout, safetensors only, and the marks that a generated picture carries."""
