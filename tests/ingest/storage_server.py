"""A server of the S3 protocol on this machine, and its bucket ``ecgs``."""

import os
from contextlib import contextmanager

import pytest


@contextmanager
def storage_server():
    """Start the server, point the environment at it, and yield its client."""
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    facts = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
    }
    before = {name: os.environ.get(name) for name in facts}
    os.environ.update(facts)
    client = boto3.client("s3", endpoint_url=facts["AWS_ENDPOINT_URL"], region_name="us-east-1")
    client.create_bucket(Bucket="ecgs")
    try:
        yield client
    finally:
        server.stop()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
