"""Web interface of the service: form, answer and explanation."""
