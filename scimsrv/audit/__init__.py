"""The audit trail as pure data: its chain of hashes, what is wrong with one, and the forms in which it is exported."""
