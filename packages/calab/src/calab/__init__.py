"""Calcium-imaging analysis: from traces to neural activity."""

__all__: list[str] = []
