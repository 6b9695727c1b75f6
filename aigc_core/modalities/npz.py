"""NPZ files of samples and their class weights, as numpy.savez_compressed writes them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy
from torch import Tensor

from aigc_core.files import atomic_write


def write_npz(path: Path, shape: tuple[int, ...], parts: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Write the arrays `samples` uint8 of that shape and `labels` float32 [N, num_classes], part by part.

    Each part is drawn when it is written, so no more than one is held in memory.

    Raises AIGCError when the disk is full or not writable.
    """
    labels = []
    with atomic_write(path) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("samples.npy", "w", force_zip64=True) as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            numpy.lib.format.write_array_header_1_0(file, header)
            for samples, part_labels in parts:
                file.write(samples.numpy().tobytes())
                labels.append(part_labels.numpy())
        with archive.open("labels.npy", "w") as file:
            numpy.lib.format.write_array(file, numpy.concatenate(labels))
