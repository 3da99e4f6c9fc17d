"""Recordings of several pieces, such as four groups of three leads, on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import lead_name
from cardiograph.ecg.readers.source import EcgSource


@dataclass(frozen=True)
class Piece:
    """Channels that were recorded at the same time.

    Args:
        names: Name of each channel.
        rows: [channels, samples] in mV.
        rate: Sampling rate in Hz.
        start: Begin in seconds on the common time axis.
    """

    names: tuple[str, ...]
    rows: NDArray[np.float32]
    rate: float
    start: float = 0.0


def join_pieces(
    source: EcgSource, pieces: Sequence[Piece]
) -> tuple[list[str], NDArray[np.float32], float, tuple[str, ...]]:
    """Put pieces on one time axis.

    Of a lead that several pieces hold at different times, each is kept; where they overlap, the longest piece counts
    and a note says so, as for the rhythm strip of a 3 x 4 page.

    Returns:
        Names of the channels, [channels, samples] in mV, rate in Hz, notes.

    Raises:
        EcgError: If the rates differ, or the recording is too long.
    """
    if not pieces:
        source.refuse("no_waveform", "it holds no rhythm waveform", "export the file with its waveforms")
    rate = pieces[0].rate
    if any(piece.rate != rate for piece in pieces):
        source.refuse("rate", "its waveforms have different sampling rates", "export the rhythm alone, at one rate")
    first = min(piece.start for piece in pieces)
    begins = [round((piece.start - first) * rate) for piece in pieces]
    samples = max(begin + piece.rows.shape[1] for begin, piece in zip(begins, pieces, strict=True))
    names = [*dict.fromkeys(_plain(name) for piece in pieces for name in piece.names)]
    source.check_size(len(names), samples)
    rows = np.full((len(names), samples), np.nan, dtype=np.float32)
    twice = []
    order = sorted(range(len(pieces)), key=lambda index: -pieces[index].rows.shape[1])
    for index in order:
        piece, begin = pieces[index], begins[index]
        own = [_plain(name) for name in piece.names]
        if len({*own}) < len(own):
            source.refuse("duplicate_lead", "two channels have the same lead name", "remove or rename one of them")
        for name, values in zip(own, piece.rows, strict=True):
            target = rows[names.index(name), begin : begin + len(values)]
            if np.isfinite(target).any():
                twice.append(name)
            else:
                target[:] = values
    notes: tuple[str, ...] = ()
    if twice:
        notes = (f"The file holds {', '.join(twice)} twice at the same time; the longer recording was taken.",)
    return names, rows, rate, notes


def _plain(name: str) -> str:
    known = lead_name(name)
    return name if known is None or known[1] < 0 else known[0]
