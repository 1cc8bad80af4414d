"""Whether a database agrees with itself: what follows from documents is made anew from them and compared, and put right where asked."""
