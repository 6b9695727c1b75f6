"""The dashboard in a real Chromium, with a kind of sample, a family and a metric that only tests/toy_text brings."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, expect

from tests.dashboard_pages import served_dashboard
from tests.processes import ROOT

PLUGINS = {
    "AIGC_PLUGINS": "tests.toy_text",
    "PYTHONPATH": str(ROOT),
    "ACCELERATE_USE_CPU": "true",
    "OMP_NUM_THREADS": "1",
}


def test_texts_are_ranked_by_their_own_metric_and_shown_side_by_side(tmp_path: Path, browser: Browser) -> None:
    environment = os.environ | PLUGINS
    (tmp_path / "lines.txt").write_text("the cat sat on the mat\nthe dog ran in the sun\n" * 12)
    steps = [f"run@step-{step:07d}" for step in (10, 20)]
    short = ["--samples", "640", "--set", "checkpoint_samples=320"]
    commands = [
        ["train", "--preset", "toy-text", "--data", str(tmp_path / "lines.txt"), *short, "--out", "run"],
        ["evaluate", *steps, "--num-samples", "100"],
        *(["sample", step, "--seed", "1", "--count", "1", "--out", step.partition("@")[2]] for step in steps),
    ]
    # In one process, as importing torch takes seconds.
    script = f"from aigc_core.cli import main; assert not any(main(words) for words in {commands!r})"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with served_dashboard(PLUGINS) as (address, _):
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"http://{address}/compare?add={quote(str(tmp_path / 'run'), safe='')}")
        page.get_by_role("combobox", name="Protocol").click()
        page.get_by_role("option", name=re.compile("lines")).click()
        expect(page.get_by_text("Bigram overlap").first).to_be_visible(timeout=60_000)
        texts = page.locator("[data-testid=stText]")
        for step in steps:
            text = (tmp_path / step.partition("@")[2] / "seed-1.txt").read_text().strip()
            expect(texts.filter(has_text=re.compile(rf"^\s*{re.escape(text)}\s*$")).first).to_be_attached(
                timeout=60_000
            )
        expect(page.locator("[data-testid=stException]")).to_have_count(0)
