"""How good a model is: fidelity of the autoencoder, loss by noise level, caption retrieval."""
