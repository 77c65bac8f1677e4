"""Simulated calcium-imaging recordings with known ground truth."""

__all__: list[str] = []
