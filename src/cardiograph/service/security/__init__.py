"""Access keys, limits, CSRF protection and upload parsing of the service."""
