"""Open Badges 3.0: what awards mean, what follows from them, how they are signed, and how they travel in pictures."""
