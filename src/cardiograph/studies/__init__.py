"""Many runs compared: what each fault of published pipelines is worth. Alone may import the faults."""
