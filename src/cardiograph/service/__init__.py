"""HTTP service for a finished run: web UI, API, stored records."""
