"""The dashboard in a real Chromium, with runs that our own `push` put on the local Hub."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from aigc_core.cli import main
from tests.dashboard_pages import served_dashboard
from tests.local_hub import LocalHub
from tests.local_hub.client import connect_client
from tests.toy_results import evaluated_recipe, evaluated_run

ROOT = Path(__file__).parents[2]
RUNS = {"alpha": [4.0, 3.0, 2.0], "beta": [4.5, 3.5, 2.05], "gamma": [9.0, 8.0, 7.5, 7.0]}
PAGES = {"": "Leaderboard", "compare": "Compare", "training": "Training", "audit": "Audit", "evaluate": "Evaluate"}
ADDED = "add=ada%2Falpha&add=ada%2Fbeta&add=ada%2Fgamma"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    with LocalHub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture(scope="module")
def address(hub: LocalHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running dashboard beside a Hub with three repositories of ada's, pushed by the command line."""
    folder = tmp_path_factory.mktemp("dashboard")
    with pytest.MonkeyPatch.context() as patch:
        connect_client(hub, folder / "cache-of-pushing", patch)
        for name, fids in RUNS.items():
            run = evaluated_run(folder / name, fids, "mlp" if name == "gamma" else "dcgan")
            assert main(["push", str(run), f"ada/{name}"]) == 0
    with served_dashboard({"OMP_NUM_THREADS": "1"} | hub.environment(folder / "cache")) as (running, _):
        yield f"http://{running}"


def visit(browser: Browser, url: str, **context: object) -> Page:
    """A page in a browser of its own, once all of it is there."""
    page = begin_visit(browser, url, **context)
    settle(page)
    return page


def begin_visit(browser: Browser, url: str, **context: object) -> Page:
    page = browser.new_context(**context).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(60_000)
    page.goto(url)
    return page


def settle(page: Page) -> None:
    """Wait until the script has run to its end."""
    expect(page.locator("h1")).to_be_visible()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def table_of(page: Page, dataset: str) -> Locator:
    """The table under a heading."""
    heading = page.locator("summary", has_text=f"{dataset} · test")
    return heading.locator("xpath=following::*[@data-testid='stDataFrame'][1]")


def cells(table: Locator) -> list[list[str]]:
    expect(table.locator("tbody tr").first).to_be_attached()
    return table.locator("tbody tr").evaluate_all("rows => rows.map(row => [...row.children].map(c => c.textContent))")


def expected_lines() -> list[tuple[str, float]]:
    lines = [
        (f"ada/{name}" if fid == fids[-1] else f"ada/{name}@step-{number:07d}", fid)
        for name, fids in RUNS.items()
        for number, fid in enumerate(fids, 1)
    ]
    return sorted(lines, key=lambda line: line[1])


def test_the_leaderboard_shows_and_exports_what_was_pushed(address: str, browser: Browser) -> None:
    page = visit(browser, f"{address}/?{ADDED}", accept_downloads=True)
    table = table_of(page, "toy")
    lines = cells(table)
    assert [(row[1], float(row[2])) for row in lines] == expected_lines()
    # 2.00 ± 0.10 and 2.05 ± 0.10 cannot be told apart.
    assert [row[0] for row in lines[:3]] == ["1", "1", "3"]
    exports = {}
    for number, name in enumerate(("CSV", "JSON", "LaTeX")):
        with page.expect_download() as download:
            table.locator(f"xpath=following::*[@data-testid='stDownloadButton'][{number + 1}]").get_by_role(
                "button", name=name
            ).click()
        exports[name] = Path(download.value.path()).read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(exports["CSV"])))
    assert [(row["checkpoint"], float(row["fid"]), float(row["fid_high"])) for row in rows] == [
        (name, fid, fid + 0.1) for name, fid in expected_lines()
    ]
    assert json.loads(exports["JSON"])["ada/alpha"]["figures"]["fid"]["value"] == 2.0
    assert r"1 & ada/alpha & $2.00 \pm 0.10$ &" in exports["LaTeX"]


def saved(page: Page, button: Locator) -> bytes:
    """The file that a click on a button saves."""
    with page.expect_download() as download:
        button.click()
    return Path(download.value.path()).read_bytes()


def test_charts_are_saved_as_pictures_and_as_a_page_that_opens_offline(
    address: str, browser: Browser, tmp_path: Path
) -> None:
    page = visit(browser, f"{address}/compare?{ADDED}", accept_downloads=True)
    page.get_by_role("combobox", name="Protocol").click()
    page.get_by_role("option", name="toy · ").click()
    expect(page.get_by_text("cannot be told apart")).to_be_visible()
    charts = page.locator(".js-plotly-plot")
    camera = charts.first.locator(".modebar-btn[data-title^='Download plot']")
    for name, begins in (("PNG", b"\x89PNG"), ("SVG", b"<svg")):
        page.get_by_role("radio", name=name).check(force=True)
        settle(page)
        charts.first.hover()
        assert saved(page, camera).startswith(begins)
    table = list(csv.DictReader(io.StringIO(saved(page, page.get_by_role("button", name="CSV")).decode())))
    assert [(row["checkpoint"], row["rank"]) for row in table] == [("ada/alpha", "1"), ("ada/beta", "1")]
    (tmp_path / "charts.html").write_bytes(saved(page, page.get_by_role("button", name="All charts as HTML")))
    offline = browser.new_context(offline=True).new_page()
    offline.goto((tmp_path / "charts.html").as_uri())
    expect(offline.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    assert offline.locator(".js-plotly-plot").count() == charts.count() > 5


def test_recipes_are_exported(address: str, browser: Browser, tmp_path: Path) -> None:
    evaluated_recipe(tmp_path / "good", [2.0, 2.2])
    page = visit(browser, f"{address}/?add={tmp_path}%2Fgood&figures=FID", accept_downloads=True)
    row = page.get_by_text("Recipes", exact=True)
    buttons = {name: row.locator(f"xpath=following::button[contains(., '{name}')][1]") for name in ("JSON", "Markdown")}
    assert "| 1 | good/seed-\\*@step-0000001 | 2 | 2.1" in saved(page, buttons["Markdown"]).decode()
    (results,) = json.loads(saved(page, buttons["JSON"])).values()
    assert [result["figures"]["fid"]["value"] for result in results] == [2.0, 2.2]


def test_a_late_source_appears_when_it_comes(address: str, hub: LocalHub, browser: Browser) -> None:
    hub.add("ada/late", hub.files("ada/gamma"))
    with hub.fault("GET /api/models/ada/late", silent=600):
        page = begin_visit(browser, f"{address}/?add=ada%2Flate")
        expect(page.get_by_text("Still reading: ada/late")).to_be_visible()
    expect(page.locator("[data-testid=stDataFrame]").first).to_be_visible()
    assert [row[1] for row in cells(table_of(page, "toy"))] == ["ada/late"]
    expect(page.get_by_text("Still reading")).to_have_count(0)


def test_a_table_is_drawn_once_it_is_opened(address: str, browser: Browser) -> None:
    page = visit(browser, address)
    tables = page.locator("[data-testid=stDataFrame]")
    expect(tables).to_have_count(3)
    page.locator("summary", has_text="shakespeare · test").click()
    expect(tables).to_have_count(4)
    assert [row[1] for row in cells(table_of(page, "shakespeare"))] == ["shakespeare"]
    page.locator("summary", has_text="shakespeare · test").click()
    expect(tables).to_have_count(3)


def test_a_click_on_a_heading_sorts_by_number(address: str, browser: Browser) -> None:
    page = visit(browser, f"{address}/?add=ada%2Fgamma&figures=FID")
    table = table_of(page, "toy")
    cells(table)
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box
    for sorted_by in ("↑ FID", "↓ FID"):
        for _ in range(6):  # a click that comes while the table is drawn again is lost
            page.mouse.click(box["x"] + 330, box["y"] + 17)  # behind the boxes to tick, the ranks and the names
            with suppress(AssertionError):
                expect(table.locator("thead")).to_contain_text(sorted_by, timeout=10_000)
                break
    expect(table.locator("tbody tr").first).to_contain_text("step-0000001")
    assert [float(row[2]) for row in cells(table)] == [9.0, 8.0, 7.5, 7.0]


def test_a_link_brings_the_comparison_to_another_browser(address: str, browser: Browser) -> None:
    page = visit(browser, f"{address}/compare?add=ada&lang=zh")
    page.get_by_role("combobox", name="评测协议").click()
    page.get_by_role("option", name="toy · ").click()
    settle(page)
    expect(page.get_by_text("无法区分高下")).to_be_visible()
    page.get_by_role("combobox", name="检查点").click()
    page.get_by_role("option", name="ada/gamma", exact=True).click()
    page.keyboard.press("Escape")
    verdict = "ada/alpha 优于 ada/gamma：FID 2.00 ± 0.10 对 7.00 ± 0.10"
    expect(page.locator("p", has_text=verdict)).to_be_visible()
    expect(page.locator("[data-testid=stImage] img")).to_have_count(4)
    other = visit(browser, page.url)
    expect(other.locator("p", has_text=verdict)).to_be_visible()
    expect(other.locator("[data-testid=stImage] img")).to_have_count(4)
    words = "[data-testid=stMain] p"
    assert other.locator(words).all_inner_texts() == page.locator(words).all_inner_texts()
    plot = other.locator(".js-plotly-plot").first
    shown = plot.evaluate("plot => plot.data.map(trace => [trace.x[0], trace.error_x.array[0]])")
    assert [x for x, _ in shown] == [2.0, 2.05, 7.0] and all(reach == pytest.approx(0.1) for _, reach in shown)


def test_a_click_on_a_point_shows_its_samples(address: str, browser: Browser) -> None:
    page = visit(browser, f"{address}/training?add=ada%2Fgamma")
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="ada/gamma").click()
    settle(page)
    caption = page.locator("[data-testid=stImageCaption]")
    expect(caption).to_have_text("ada/gamma@main: 4,000 samples seen")
    plot = page.locator(".js-plotly-plot").first
    curve = "[document.querySelector('.js-plotly-plot').data[2]].map(line => [line.x, line.y])[0]"
    page.wait_for_function(f"JSON.stringify({curve}[0]) == '[1000,2000,3000,4000]'")
    assert page.evaluate(curve)[1] == RUNS["gamma"]
    before = page.locator("[data-testid=stImage] img").get_attribute("src")
    plot.locator(".scatterlayer .point").nth(1).click(force=True)
    expect(caption).to_have_text("ada/gamma@step-0000002: 2,000 samples seen")
    assert "revision=step-0000002" in page.url and before
    expect(visit(browser, page.url).locator("[data-testid=stImageCaption]")).to_have_text(caption.inner_text())


def test_pages_fit_a_phone(address: str, browser: Browser) -> None:
    for path, title in PAGES.items():
        phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
        page = visit(browser, f"{address}/{path}?{ADDED}", **phone)
        expect(page.locator("h1")).to_have_text(title)
        widths = "main => [main.scrollWidth, main.clientWidth, document.documentElement.scrollWidth]"
        assert page.locator("[data-testid=stMain]").evaluate(widths) == [390, 390, 390], title
        page.context.close()


def test_the_browsers_language_is_the_first_one(address: str, browser: Browser) -> None:
    page = visit(browser, address, locale="zh-CN")
    expect(page.locator("h1")).to_have_text("排行榜")
    page.get_by_text("English").click()
    expect(page.locator("h1")).to_have_text("Leaderboard")
    page.get_by_role("link", name="Audit").click()
    expect(page.locator("h1")).to_have_text("Audit")
    expect(visit(browser, f"{address}/audit?lang=en", locale="zh-CN").locator("h1")).to_have_text("Audit")
    expect(visit(browser, f"{address}/compare?{ADDED}", locale="zh-CN").locator("h1")).to_have_text("比较")
