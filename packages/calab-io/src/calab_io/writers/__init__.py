"""Results for other tools, and in a file of their own."""
