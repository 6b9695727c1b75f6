"""A warm call of the app's /generate against the bare forward pass of the same generator.

Inside the server it is latents, forward pass, PNG files with their provenance and the zip; a client sees Gradio's queue
and HTTP on top.
"""

from __future__ import annotations

import argparse
from functools import partial

import torch
from gradio_client import Client

from aigc_core import Checkpoint
from aigc_core.demo.generate import generate
from aigc_core.sampling.noise import draw_noise

from .report import interleaved, medians, print_table
from .start_up import ROOT, served_app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default="checkpoints/fashion-mnist")
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    checkpoint = Checkpoint.from_pretrained(ROOT / arguments.checkpoint)
    rows = []
    with served_app() as address:
        client = Client(address, verbose=False)
        for count in (1, 16):
            latents, labels = draw_noise(range(count), checkpoint.model.noise_shape, checkpoint.config.num_classes)
            bare = torch.no_grad()(partial(checkpoint.model, latents, labels))
            in_server = partial(generate, arguments.checkpoint, seed=0, count=count)
            by_client = partial(client.predict, arguments.checkpoint, 0, count, api_name="/generate")
            for name, call in (("in the server", in_server), ("seen by a client", by_client)):
                rounds = interleaved(call, bare, arguments.rounds + 3)[3:]  # the first few warm up
                own, other, _ = medians(rounds)
                added, _, _ = medians([(call - forward, 1.0) for call, forward in rounds])
                rows.append([name, count, f"{1e3 * own:.1f} ms", f"{1e3 * other:.1f} ms", f"+{1e3 * added:.1f} ms"])
    print_table(
        f"One warm /generate of {arguments.checkpoint}",
        ["measured", "images", "call", "bare `generator(z)`", "added"],
        rows,
    )


if __name__ == "__main__":
    main()
