"""Training a diffusion source: the autoencoder, then the denoisers on its latents."""
