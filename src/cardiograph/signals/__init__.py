"""ECG signals: drawing twelve leads as a page of paper."""
