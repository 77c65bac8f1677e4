"""Small files in the layouts of other tools, made from descriptions of these, not by the tools."""
