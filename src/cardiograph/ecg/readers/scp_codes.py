"""Numbers of the twelve leads in SCP-ECG, which DICOM and ISO/IEEE 11073 use, too.

Source: EN 1064:2005, 5.6.3, table 9; DICOM PS3.16, CID 3001.
"""

SCP_LEADS = {
    1: "I",
    2: "II",
    **{number: f"V{number - 2}" for number in range(3, 9)},
    61: "III",
    62: "aVR",
    63: "aVL",
    64: "aVF",
    65: "-aVR",
}
"""Number -> lead name."""
