"""Badges as rules: what an award is, what follows from it, and what may become of it; no database and no clock here."""
