"""Clips from the diffusion models of EchoNet-Synthetic (Reynaud et al., MICCAI 2024, arXiv:2406.00808)."""
