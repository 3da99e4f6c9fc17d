"""Records in memory, for tests of the service that are not about records."""

import hashlib
import sys
import threading
import types
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class PredictionEntry:
    id: str
    created_at: datetime
    model_sha256: str
    key_id: str | None
    page_sha256: str | None
    values_hmac: str
    answer: dict
    page: bytes | None
    clinical: dict | None


@dataclass(frozen=True)
class Key:
    id: str
    scopes: frozenset


class MemoryKeys:
    def __init__(self):
        self.tokens = {}

    def give(self, token, *scopes):
        self.tokens[token] = Key(f"id-{len(self.tokens)}", frozenset(scopes))
        return token

    def find(self, token):
        return self.tokens.get(token)

    def list(self):
        return tuple(self.tokens.values())


class MemoryRecords:
    def __init__(self):
        self.entries, self.keys, self.broken = {}, MemoryKeys(), False
        self._lock = threading.Lock()

    @classmethod
    def open(cls, url=None):
        return cls()

    def hmac_of(self, values):
        return hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()

    def add(self, entry):
        if self.broken:
            raise OSError
        with self._lock:
            self.entries[entry.id] = entry

    def get(self, name):
        return self.entries.get(name)

    def prune(self, before):
        return 0

    def ready(self):
        return not self.broken

    def close(self):
        pass


try:
    import cardiograph.service.records  # noqa: F401
except ImportError:
    module = types.ModuleType("cardiograph.service.records")
    module.PredictionEntry, module.Records = PredictionEntry, MemoryRecords
    sys.modules[module.__name__] = module
