"""The app under ZeroGPU's rules, with a stand-in for `spaces.GPU` that is stricter than nothing.

As the package `spaces` does on ZeroGPU: the decorated function runs in a forked process, its arguments and its result
(or all that a generator yields) cross over by pickle, and CUDA may be used inside the call alone. What lies on CUDA
cannot be returned, because the process that asked has no GPU. So that a machine without CUDA shows it too, no network
may run outside a call.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = """
import functools, inspect, multiprocessing, os, pickle
import torch

calls = []
inside = False
real_init = torch.cuda._lazy_init

def guarded_init():
    if not inside:
        raise RuntimeError("CUDA was used outside a GPU call")
    real_init()

def guarded_forward(module, inputs):
    if not inside:
        raise RuntimeError("A network ran outside a GPU call")

torch.cuda._lazy_init = guarded_init
torch.nn.modules.module.register_module_forward_pre_hook(guarded_forward)

def GPU(task=None, *, duration=60, size="large"):
    if task is None:
        return functools.partial(GPU, duration=duration, size=size)

    def results(args, kwargs):
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        message = pickle.dumps((args, kwargs))

        def send(kind, value):
            parts = value if isinstance(value, tuple) else (value,)
            assert not any(getattr(part, "is_cuda", False) for part in parts)
            sender.send_bytes(pickle.dumps((kind, value)))

        def work():
            global inside
            inside = True
            given, named = pickle.loads(message)
            try:
                found = task(*given, **named)
                for value in found if inspect.isgenerator(found) else [found]:
                    send("result", value)
                send("end", None)
            except Exception as error:
                send("error", error)

        process = context.Process(target=work)
        process.start()
        sender.close()
        seconds = duration(*args, **kwargs) if callable(duration) else duration
        calls.append((task.__name__, os.getpid(), process.pid, seconds))
        while True:
            kind, value = pickle.loads(receiver.recv_bytes())
            if kind == "error":
                raise value
            if kind == "end":
                break
            yield value
        process.join()

    @functools.wraps(task)
    def call(*args, **kwargs):
        found = results(args, kwargs)
        return found if inspect.isgeneratorfunction(task) else list(found)[0]

    return call
"""
GENERATING = """
import app, spaces, gradio
from aigc_core.pipeline import Checkpoint
from aigc_core.demo.generate import generate
from aigc_core.modalities.png import to_picture
from PIL import Image, ImageChops

pictures, *_ = generate("checkpoints/mnist", 7, 3, "5")
paths = [picture.path for picture in pictures]
((name, parent, child, seconds),) = spaces.calls
assert len(paths) == 3 and parent != child and seconds <= 10, spaces.calls
spaces.inside = True
direct = Checkpoint.from_pretrained(root + "/checkpoints/mnist").sample(seed=7, count=3, labels="5").images
spaces.inside = False
for image, path in zip(direct, paths):
    shown = to_picture(image)
    assert not ImageChops.difference(shown, Image.open(path).convert(shown.mode)).getbbox(), path
try:
    generate("checkpoints/mnist", 7, 3, "no such digit")
except gradio.Error as error:
    print("refused:", error.message)
"""
ALL_ELSE = """
import app, spaces
from aigc_core.demo import explore, generate, grid, invert, mix
from aigc_core.demo.generate import controls_for
from aigc_core.sampling.request import SampleRequest

spaces.calls.clear()
reference = "checkpoints/mnist"
pictures, _, link = generate.generate(reference, 7, 2, "3", 0.9, 1.5)
controls_for(SampleRequest(checkpoint=reference))
centre, x, y, names, chart, *_ = explore.start_chart(None, link, reference, "", "", "", ("", 0), 20, "", "", "")
kept, _ = explore.keep(chart, [])
kept, _ = explore.keep_seeds(None, link, kept)
explore.make_movie(None, kept, "spherical", 2)
explore.interpolate(reference, 7, 2, "3", frames=2)
mix.fit(None, reference, 7, mix.NOTHING_WANTED)
grid.fit(None, link, reference, (reference, "class=3,5", "truncation=0.5,1"), "", "", "", "", "")
steps = list(invert.invert_file(reference, pictures[0].path))
assert len(steps) > 2 and len(steps[-1][1]) == len(steps)
names = [name for name, *_ in spaces.calls]
assert {"draw", "draw_around", "draw_map", "draw_sum", "draw_movie", "invert_stream"} <= set(names), names
# The directions lie beside the model, so that no GPU was asked for to find them.
assert not any("directions" in name for name in names), names
"""


def run_under_zero_gpu(script: str, folder: Path) -> str:
    """What a script prints that runs where the stand-in is the package `spaces`, and `root` the repository."""
    package = folder / "packages" / "spaces"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(STAND_IN)
    beginning = f"import sys\nroot = {str(ROOT)!r}\nsys.path[:0] = [{str(package.parent)!r}, root]\n"
    result = subprocess.run(
        [sys.executable, "-c", beginning + script],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        # On a CPU, OpenMP's threads do not survive a fork; on ZeroGPU the work is done on CUDA.
        env=os.environ | {"GRADIO_TEMP_DIR": str(folder), "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
def test_every_tab_survives_fork_pickle_and_no_cuda_outside(tmp_path):
    printed = run_under_zero_gpu(GENERATING + ALL_ELSE, tmp_path)
    assert "refused: There is no class 'no such digit'" in printed


def test_what_crosses_to_the_gpu_process_is_small():
    """A request goes over as its text; the model is never pickled."""
    from aigc_core import SampleRequest

    request = SampleRequest(checkpoint="checkpoints/mnist", seed=7, count=64, labels="0,1,2")
    assert len(pickle.dumps(request.canonical())) < 200


def test_the_real_package_sees_the_models_on_cuda_before_the_app_starts(tmp_path):
    """In ZeroGPU's main process the package pretends that there is a GPU: loading there must work, and place models."""
    script = """
import sys
sys.path.insert(0, sys.argv[1])
import app, spaces
from aigc_core.demo.inference import draw
from aigc_core.loading import load_checkpoint
checkpoint = load_checkpoint("checkpoints/mnist")
assert "site-packages" in spaces.__file__
assert {parameter.device.type for parameter in checkpoint.model.parameters()} == {"cuda"}
assert hasattr(draw, "zerogpu")
"""
    zero_gpu = {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": "http://127.0.0.1:9", "HOME": str(tmp_path)}
    words = [sys.executable, "-c", script, str(ROOT)]
    result = subprocess.run(words, check=False, cwd=tmp_path, capture_output=True, text=True, env=os.environ | zero_gpu)
    assert result.returncode == 0, result.stderr
