"""`python -m calab` is the command `calab`."""

from calab.cli import main

if __name__ == "__main__":
    main()
