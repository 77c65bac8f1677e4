"""The loopback server behind the CaLab apps; exports nothing yet."""

__all__: list[str] = []
