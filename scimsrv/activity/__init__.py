"""The log of a tenant's recent requests: what an entry has, who sent it, and the sentence that a person reads."""
