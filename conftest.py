"""Settings for the tests of every package."""

from hypothesis import settings

# A slow moment of a shared machine is no defect of the code.
settings.register_profile("calab", parent=settings(), deadline=None)
settings.load_profile("calab")
