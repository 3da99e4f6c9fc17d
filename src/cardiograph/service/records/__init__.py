"""What a service keeps: predictions, API keys, and an audit log that shows when it was tampered with."""

from cardiograph.service.records.audit_log import AuditLog, Event
from cardiograph.service.records.keys import SCOPES, Key, Keys
from cardiograph.service.records.store import PredictionEntry, Records
from cardiograph.service.records.verification import Verified

__all__ = ["SCOPES", "AuditLog", "Event", "Key", "Keys", "PredictionEntry", "Records", "Verified"]
