"""From recordings to responses, and the report of it."""
