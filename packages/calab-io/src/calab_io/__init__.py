"""Readers and writers of calcium traces and of CaLab exports."""

__all__: list[str] = []
