"""Settings of the service: address, limits, what is stored and for how long."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from cardiograph.errors import ConfigError
from cardiograph.inference.shard_access import ShardAccess

MIB = 1 << 20


class ServiceSettings(BaseModel):
    """Settings of a server; frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: Path
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    database: str | None = None
    require_key: bool = False
    allowed_hosts: tuple[str, ...] = ()
    keep_pages: bool = False
    retention_days: int | None = Field(default=None, ge=1)
    workers: int = Field(default=2, ge=1, le=64)
    waiting: int = Field(default=16, ge=0, le=1000)
    timeout_seconds: float = Field(default=20.0, gt=0)
    uploads: int = Field(default=24, ge=1, le=1000)
    upload_bytes: int = Field(default=8 * MIB, ge=1)
    body_seconds: float = Field(default=60.0, gt=0)
    grace_seconds: float = Field(default=5.0, gt=0)
    bytes_per_second: int = Field(default=8192, ge=1)
    requests_per_minute: int = Field(default=1200, ge=1)
    batches: int = Field(default=2, ge=1, le=64)
    batch_lines: int = Field(default=1000, ge=1)
    batch_seconds: float = Field(default=3600.0, gt=0)
    max_pixels: int = Field(default=25_000_000, ge=1)
    hold_minutes: float = Field(default=10.0, gt=0)
    monitoring_days: int = Field(default=90, ge=1)
    monitoring_minutes: float = Field(default=60.0, gt=0)
    hold_bytes: int = Field(default=128 * MIB, ge=0)
    shards: tuple[str, ...] = ()
    shard_key: SecretStr | None = None

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)

    @property
    def shard_access(self) -> ShardAccess | None:
        """Where the shards of the reference records are; None for a run that holds them itself."""
        if not self.shards:
            return None
        return ShardAccess(self.shards, None if self.shard_key is None else self.shard_key.get_secret_value())

    @property
    def keys_required(self) -> bool:
        """Whether every route except ``/healthz`` requires a key: always when other machines can reach the service."""
        return self.require_key or not self.loopback or bool(self.allowed_hosts)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Allowed values of the Host header; empty allows any, which is safe only because keys are then required."""
        own = ("localhost", "127.0.0.1", "[::1]")
        if self.allowed_hosts:
            return (*self.allowed_hosts, *own)
        return own if self.loopback else ()


def variable_of(name: str) -> str:
    """Return the environment variable of a setting: ``upload_bytes`` -> ``CARDIOGRAPH_UPLOAD_BYTES``."""
    return f"CARDIOGRAPH_{name.upper()}"


def settings_with(options: Mapping[str, Any]) -> ServiceSettings:
    """Return settings with options, and with the environment for all settings that are not among them.

    Args:
        options: Name of a setting -> value; wins over the environment.

    Raises:
        ConfigError: If a value is not allowed; the message names its variable.
    """
    names = [name for name in ServiceSettings.model_fields if name not in options]
    given = {name: text for name in names if (text := os.environ.get(variable_of(name)))}
    try:
        return ServiceSettings.model_validate({**given, **options})
    except ValidationError as error:
        faults = [(str(each["loc"][0]), each["msg"].lower(), each["input"]) for each in error.errors()]
        named = [f"{variable_of(name)} is {str(value)[:40]!r}; {rule}" for name, rule, value in faults]
        raise ConfigError("; ".join(named)) from error


def is_loopback(host: str) -> bool:
    """Return whether an address or host name is the loopback interface."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
