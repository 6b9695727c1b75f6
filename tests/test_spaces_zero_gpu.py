"""Generation under ZeroGPU's rules, with a stand-in for `spaces.GPU` that is stricter than nothing.

As the package `spaces` does on ZeroGPU: the decorated function runs in a forked process, its arguments and its result
cross over by pickle, and CUDA may be used inside the call alone. What lies on CUDA cannot be returned, because the
process that asked has no GPU.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAND_IN = """
import functools, multiprocessing, os, pickle
import torch

calls = []
inside = False
real_init = torch.cuda._lazy_init

def guarded_init():
    if not inside:
        raise RuntimeError("CUDA was used outside a GPU call")
    real_init()

torch.cuda._lazy_init = guarded_init

def GPU(task=None, *, duration=60, size="large"):
    if task is None:
        return functools.partial(GPU, duration=duration, size=size)

    @functools.wraps(task)
    def call(*args, **kwargs):
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        message = pickle.dumps((args, kwargs))

        def work():
            global inside
            inside = True
            given, named = pickle.loads(message)
            try:
                answer = (True, task(*given, **named))
            except Exception as error:
                answer = (False, error)
            assert not any(getattr(part, "is_cuda", False) for part in answer if part is not None)
            sender.send_bytes(pickle.dumps(answer))

        process = context.Process(target=work)
        process.start()
        sender.close()
        fine, value = pickle.loads(receiver.recv_bytes())
        process.join()
        calls.append((os.getpid(), process.pid, duration if not callable(duration) else duration(*args, **kwargs)))
        if not fine:
            raise value
        return value

    return call
"""
SCRIPT = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import spaces
import app
import gradio
from aigc_core.demo.generate import generate

pictures, *_ = generate("checkpoints/mnist", 7, 3, "5")
paths = [picture.path for picture in pictures]
assert len(paths) == 3 and len(spaces.calls) == 1, spaces.calls
parent, child, duration = spaces.calls[0]
assert parent != child and duration <= 60
from aigc_core.checkpoint import Checkpoint
from aigc_core.provenance import to_picture
from PIL import Image, ImageChops
direct = Checkpoint.from_pretrained(sys.argv[2] + "/checkpoints/mnist").sample(seed=7, count=3, labels="5").images
for image, path in zip(direct, paths):
    shown = to_picture(image)
    assert not ImageChops.difference(shown, Image.open(path).convert(shown.mode)).getbbox(), path
try:
    generate("checkpoints/mnist", 7, 3, "no such digit")
except gradio.Error as error:
    print("refused:", error.message)
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
def test_generation_survives_fork_pickle_and_no_cuda_outside(tmp_path):
    package = tmp_path / "packages" / "spaces"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(STAND_IN)
    words = [sys.executable, "-c", SCRIPT, str(package.parent), str(ROOT)]
    result = subprocess.run(
        words,
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        # On a CPU, OpenMP's threads do not survive a fork; on ZeroGPU the work is done on CUDA.
        env=os.environ | {"GRADIO_TEMP_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    assert "refused: There is no class 'no such digit'" in result.stdout


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
from aigc_core.demo.drawing import draw
from aigc_core.demo.models import load
checkpoint = load("checkpoints/mnist")
assert "site-packages" in spaces.__file__
assert {parameter.device.type for parameter in checkpoint.generator.parameters()} == {"cuda"}
assert hasattr(draw, "zerogpu")
"""
    zero_gpu = {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": "http://127.0.0.1:9", "HOME": str(tmp_path)}
    words = [sys.executable, "-c", script, str(ROOT)]
    result = subprocess.run(words, check=False, cwd=tmp_path, capture_output=True, text=True, env=os.environ | zero_gpu)
    assert result.returncode == 0, result.stderr
