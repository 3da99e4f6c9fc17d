"""JSON and FHIR routes of the service."""
