"""Ways through latent space, and the movies made of them, decoded by ffmpeg and Pillow."""

from __future__ import annotations

import json
import math
import weakref
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as iio
import numpy
import pytest
import torch
from PIL import Image

from aigc_core import AIGCError, SampleRequest
from aigc_core.modalities.movie import enlarge, write_movie
from aigc_core.sampling.interpolation import interpolate, slerp
from aigc_core.sampling.noise import draw_noise
from aigc_core.sampling.sample import sample
from tests.toy_models import toy_checkpoint

REQUESTS = [SampleRequest(seed=3, labels="Shirt"), SampleRequest(seed=8, labels="Coat", offsets={"z1": 2})]


def stacked(frames: Iterator[torch.Tensor]) -> torch.Tensor:
    return torch.stack([*frames])


def test_slerp_by_hand() -> None:
    start, end = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    third = slerp(start, end, torch.tensor([[1 / 3]]))
    # A third of a right angle is 30°: weights sin 60° and sin 30°.
    assert torch.allclose(third, torch.tensor([[math.sin(math.pi / 3), 2 * math.sin(math.pi / 6)]]))
    assert torch.allclose(slerp(start, 3 * start, torch.tensor([[0.25]])), 1.5 * start)
    assert torch.isfinite(slerp(start, -start, torch.tensor([[0.5]]))).all()


@pytest.mark.parametrize("architecture", ["dcgan", "toy-style"])
@pytest.mark.parametrize("curve", ["linear", "spherical"])
def test_the_way_leads_through_the_images_and_back(architecture: str, curve: str) -> None:
    checkpoint = toy_checkpoint(architecture)
    images = torch.cat([sample(checkpoint, request).images for request in REQUESTS]).int()
    loop = stacked(interpolate(checkpoint, REQUESTS, frames=6, curve=curve)).int()  # type: ignore[arg-type]
    assert loop.shape[0] == 12
    assert (loop[[0, 6]] - images).abs().max() <= 1
    steps = (loop - loop.roll(-1, 0)).abs().float().mean(dim=(1, 2, 3))
    assert steps.max() < (images[0] - images[1]).abs().float().mean()
    way = stacked(interpolate(checkpoint, REQUESTS, frames=6, curve=curve, loop=False)).int()  # type: ignore[arg-type]
    assert way.shape[0] == 7 and (way[[0, 6]] - images).abs().max() <= 1


def test_linear_way_by_hand() -> None:
    checkpoint = toy_checkpoint()
    latents, _ = draw_noise([3, 8], (24,), 3)
    latents[1, 1] += 2
    middle = checkpoint.modality.to_stored(
        checkpoint.model(latents.mean(0, keepdim=True), torch.tensor([[0.5, 0, 0.5]]))
    )
    assert torch.equal(stacked(interpolate(checkpoint, REQUESTS, frames=2, curve="linear"))[1:2], middle)


def test_too_few_images_or_too_many_frames() -> None:
    with pytest.raises(AIGCError, match="at least two"):
        interpolate(toy_checkpoint(), REQUESTS[:1])
    for frames in (0, 10**6):
        with pytest.raises(AIGCError, match="frames"):
            interpolate(toy_checkpoint(), REQUESTS, frames=frames)


def test_pixels_become_crisp_squares() -> None:
    frames = torch.randint(256, (2, 1, 28, 28), dtype=torch.uint8)
    large = enlarge(frames)
    assert large.shape == (2, 1, 252, 252) and torch.equal(large[:, :, 4::9, 4::9], frames)
    assert enlarge(torch.zeros(1, 3, 512, 512, dtype=torch.uint8)).shape == (1, 3, 512, 512)


def test_gif_repeats_and_says_what_it_is(tmp_path: Path) -> None:
    frames = stacked(interpolate(toy_checkpoint(), REQUESTS, frames=4))
    write_movie(tmp_path / "movie.gif", frames)
    with Image.open(tmp_path / "movie.gif") as movie:
        assert movie.n_frames == 8 and movie.info["loop"] == 0 and movie.info["duration"] == 50  # type: ignore[attr-defined]
        assert json.loads(movie.info["comment"])["AIGC"]["Label"] == "1"
        movie.seek(5)
        pixels = torch.from_numpy(numpy.array(movie.convert("L")))[4::9, 4::9]
    assert (pixels.int() - frames[5, 0].int()).abs().max() <= 2


@pytest.mark.parametrize("architecture", ["dcgan", "resnet"])
def test_mp4_is_h264_that_browsers_play(architecture: str, tmp_path: Path) -> None:
    import imageio_ffmpeg

    frames = stacked(interpolate(toy_checkpoint(architecture), REQUESTS, frames=4))
    write_movie(tmp_path / "movie.mp4", frames)
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "movie.mp4"))
    header = next(reader)
    assert header["codec"] == "h264" and header["pix_fmt"].startswith("yuv420p") and header["fps"] == 20
    decoded = [numpy.frombuffer(frame, numpy.uint8) for frame in reader]  # type: ignore[arg-type]
    assert len(decoded) == 8
    width, height = header["size"]
    scale = width // frames.shape[-1]
    pixels = torch.from_numpy(decoded[5].reshape(height, width, 3).copy())[scale // 2 :: scale, scale // 2 :: scale]
    grey = frames[5].float().mean(0)
    assert (pixels.float().mean(2) - grey).abs().mean() < 6
    content = (tmp_path / "movie.mp4").read_bytes()
    assert b"trainedAlgorithmicMedia" in content and b'"Label": "1"' in content
    assert content.index(b"moov") < content.index(b"mdat")  # playable before it is loaded whole


def test_an_mp4_without_an_encoder_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    failing = tmp_path / "failing"
    failing.write_text("#!/bin/sh\necho 'Unknown encoder libx264' >&2\nexit 1\n")
    failing.chmod(0o755)
    for program, sentence in (("/nonexistent", "needs the program ffmpeg"), (str(failing), "Unknown encoder libx264")):
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", program)
        with pytest.raises(AIGCError, match=sentence):
            write_movie(tmp_path / "movie.mp4", frames)
    assert list(tmp_path.iterdir()) == [failing]


@pytest.mark.parametrize("kind", ["gif", "mp4"])
def test_a_frame_is_written_before_the_next_is_drawn(kind: str, tmp_path: Path) -> None:
    """Of the frames, which change all over, in part and not at all, no more than three are alive at once."""
    alive: list[weakref.ref[torch.Tensor]] = []

    def frames() -> Iterator[torch.Tensor]:
        for number in range(60):
            frame = torch.full((3, 64, 64), 4 * number if number < 20 else 80, dtype=torch.uint8)
            frame[:, 8:16, number % 40 : number % 40 + 8] = 255 if number < 40 else 80
            assert sum(reference() is not None for reference in alive) <= 2
            alive.append(weakref.ref(frame))
            yield frame

    write_movie(tmp_path / f"movie.{kind}", frames())
    read = [*iio.imiter(tmp_path / f"movie.{kind}")]
    assert len(read) == 60
    for number in (0, 7, 25, 39, 40, 59):
        expected = 4 * number if number < 20 else 80
        assert abs(int(read[number][200, 200, 0]) - expected) <= 4
        inside = read[number][48, 4 * (number % 40 + 4), 0]
        assert abs(int(inside) - (255 if number < 40 else 80)) <= 6
