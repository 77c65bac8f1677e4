"""The numerical API of CaLab: from calcium traces to neural activity."""

__all__: list[str] = []
