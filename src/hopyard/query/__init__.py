"""Queries: from the user's words to a frozen plan, and from the plan to SQL."""
