"""How fast the server is, as ratios against ceilings measured in the same run: python -m bench."""
