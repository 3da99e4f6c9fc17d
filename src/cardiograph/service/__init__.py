"""A finished run as a service: page, interface, records."""
