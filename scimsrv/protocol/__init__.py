"""The rest of RFC 7644: requests, plans, outcomes, discovery, responses. No I/O."""
