"""The frozen page of `report`, opened from its file: the dashboard's ranks, pictures, and no request to anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy
from PIL import Image
from playwright.sync_api import Browser, expect

from aigc_core.cli import main
from aigc_core.serving.leaderboard import by_protocol, collect, ranked
from tests.toy_results import evaluated_recipe, evaluated_run, toy_result

HOSTILE = "<img src=x onerror=alert(1)>"


def test_the_frozen_page_opens_offline_with_the_dashboards_ranks(browser: Browser, tmp_path: Path) -> None:
    sources = [str(evaluated_run(tmp_path / name, fids)) for name, fids in (("one", [2.0, 2.05]), (HOSTILE, [9.0]))]
    sources.append(str(evaluated_recipe(tmp_path / "good", [3.0, 3.2, 3.1])))
    picture = numpy.arange(64, dtype="uint8").reshape(8, 8)
    Image.fromarray(picture).save(tmp_path / "one" / "step-0000001" / "samples.png")
    audited = tmp_path / "one" / "step-0000002" / "eval" / f"{toy_result(2.05).protocol.id}-neighbours.png"
    Image.fromarray(picture[:4]).save(audited)
    assert main(["report", *sources, "--out", str(tmp_path / "site")]) == 0

    page = browser.new_context(offline=True, java_script_enabled=True).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    address = (tmp_path / "site" / "index.html").as_uri()
    page.goto(address)
    first = page.locator("table").first
    shown = first.locator("tbody tr").evaluate_all("rows => rows.map(row => [...row.cells].map(c => c.textContent))")
    (group,) = by_protocol(collect(sources)).values()
    expected = [(str(row.rank), row.name, str(row.result.figures["fid"])) for row in ranked(group, "fid")]
    assert [tuple(row[:3]) for row in shown] == expected and expected[-1][1] == f"{HOSTILE}@step-0000001"
    expect(page.locator("table").nth(1)).to_contain_text("good/seed-*@step-0000001")
    assert page.locator("svg circle").count() == len(expected)
    sides = "images => images.map(image => [image.complete, image.naturalWidth, image.naturalHeight])"
    assert page.locator("img").evaluate_all(sides) == [[True, 8, 8], [True, 8, 4]]
    expect(page.locator("figure").nth(1)).to_have_text("one@step-0000002")
    expect(page.get_by_text("is better than").first).to_be_visible()
    assert [url for url in asked if not url.startswith("data:")] == [address]
    page.context.close()
