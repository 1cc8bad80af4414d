"""The admin plane: tenants, their tokens, policies and indexes, as an application on a listener of its own."""
