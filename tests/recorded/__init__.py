"""What former versions of the program left, recorded: a database that one of them filled, and the statements of the one before this."""
