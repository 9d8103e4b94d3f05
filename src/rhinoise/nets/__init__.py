"""The networks: U-Net, transformer, autoencoder, text encoder. They know no noise level and no file."""
