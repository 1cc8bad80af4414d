"""Open Badges 3.0: what awards mean, how they are signed, and how they travel in pictures."""
