"""Drawing of twelve-lead signals on ECG paper."""
