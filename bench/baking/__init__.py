"""Measures how fast credentials go into and out of pictures."""
