"""Records of the service: predictions, API keys and a tamper-evident audit log."""

from cardiograph.service.records.audit_log import AuditLog, Event
from cardiograph.service.records.keys import SCOPES, Key, Keys
from cardiograph.service.records.outcomes import Added, Outcomes, Watched
from cardiograph.service.records.store import PredictionEntry, Records
from cardiograph.service.records.verification import Verified

__all__ = [
    "SCOPES",
    "Added",
    "AuditLog",
    "Event",
    "Key",
    "Keys",
    "Outcomes",
    "PredictionEntry",
    "Records",
    "Verified",
    "Watched",
]
