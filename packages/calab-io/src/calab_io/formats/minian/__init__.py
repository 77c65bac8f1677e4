"""Reading Minian: `reader` has what every format has, the other modules are what it is made of."""

from .reader import OPTIONS, read, recognises

__all__ = ["OPTIONS", "read", "recognises"]
