"""What the app does in a model's latent space, in a real Chromium: Explore, Grid, Mix and Invert."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import torch
from gradio_client import Client
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from aigc_core import Checkpoint
from aigc_core.modalities.png import read_png, to_picture
from aigc_core.sampling.directions import load_directions
from aigc_core.sampling.sample import seed_noise
from tests.app_pages import MODEL, STRONGEST, opened, sheet_image
from tests.processes import ROOT


def test_a_map_is_clicked_and_kept_images_become_a_movie(address: str, browser: Browser) -> None:
    where = f"x={STRONGEST[0]}&y={STRONGEST[1]}&reach=3"
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1&tab=explore&centre=&{where}")
    expect(page.locator("#map button")).to_have_count(81)
    middle = page.locator("#chosen img").get_attribute("src")
    scale = ["-3", "-2.25", "-1.5", "-0.75", "0", "+0.75", "+1.5", "+2.25", "+3"]
    assert page.locator("#map .sheet-label").all_inner_texts() == ["", *scale, *scale[::-1]]
    page.locator("#map button").nth(0).click()
    expect(page.locator("#place")).to_contain_text(f"{STRONGEST[0]} -3")
    corner = page.locator("#map img").nth(0).get_attribute("src")
    assert page.locator("#chosen img").get_attribute("src") == corner != middle
    page.get_by_role("button", name="Make it the middle").click()
    page.wait_for_function(f"new URLSearchParams(location.search).get('centre').includes('{STRONGEST[0]}=-3')")
    shared = opened(browser, page.url)
    expect(shared.locator("#place")).to_contain_text(f"{STRONGEST[0]} -3")
    assert shared.locator("#chosen img").get_attribute("src") == corner
    shared.context.close()
    page.locator("#keep").click()
    expect(page.locator("#kept button")).to_have_count(1)
    page.locator("#map button").nth(80).click()
    page.locator("#keep").click()
    expect(page.locator("#kept button")).to_have_count(2)
    page.locator("#film").click()
    expect(page.locator("#movie video")).to_be_visible(timeout=60_000)


def test_a_map_starts_where_the_model_is_good_and_names_its_axes(address: str, browser: Browser) -> None:
    checkpoint = Checkpoint.from_pretrained(ROOT / MODEL)
    known, (x, *others) = load_directions(checkpoint), load_directions(checkpoint).strongest(12)
    y = known.crossing(x, others)

    def scale(seed: int, moved: float = 0) -> re.Pattern[str]:
        reach = known.reach(seed_noise(checkpoint, [seed])[0] + moved * known.step(x), x, y)
        return re.compile(f"^-{reach:g}.*\\+{reach:g}.*\\+{reach:g}.*-{reach:g}$", re.DOTALL)

    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1&tab=explore")
    labels = page.locator("#map .sheet-label")
    expect(page.locator("#map .axes")).to_have_text(f"→ {known.said(x) or x}   ↑ {known.said(y) or y}")
    expect(page.get_by_label("Left to right")).to_have_value(f"{known.said(x)} · {x}")
    expect(page.locator("#map .sheet")).to_have_text(scale(11))
    slider = page.get_by_label("Reach (standard deviations)").first
    slider.fill("2.2")  # further than that, if the visitor wants to
    expect(labels.last).to_have_text("-2.2")
    page.wait_for_function("location.search.includes('reach=2.2')")
    other = opened(browser, page.url)
    expect(other.locator("#map .sheet-label").last).to_have_text("-2.2")
    other.context.close()
    page.locator("#map button").nth(4 * 9 + 8).click()
    expect(page.locator("#place")).to_contain_text(f"{x} +2.2")
    page.get_by_role("button", name="Make it the middle").click()
    expect(page.locator("#map .sheet")).to_have_text(scale(11, 2.2))


def test_the_map_does_not_offer_the_same_direction_twice(address: str, browser: Browser) -> None:
    first, second, third, *_ = STRONGEST
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1&tab=explore&centre=&x={first}&y={first}")
    expect(page.locator("#map button")).to_have_count(81)
    page.get_by_label("Bottom to top").click()
    expect(page.get_by_role("option", name=re.compile(f" {second}$"))).to_be_visible()
    expect(page.get_by_role("option", name=re.compile(f" {first}$"))).to_have_count(0)
    page.get_by_role("option", name=re.compile(f" {third}$")).click()
    page.wait_for_function(f"new URLSearchParams(location.search).get('y') === '{third}'")
    expect(page.locator("#map button")).to_have_count(81)
    page.get_by_label("Left to right").click()
    expect(page.get_by_role("option", name=re.compile(f" {second}$"))).to_be_visible()
    expect(page.get_by_role("option", name=re.compile(f" {third}$"))).to_have_count(0)


def test_what_one_picture_has_and_another_has_not_is_added_to_a_third(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1&tab=explore&reach=3")
    expect(page.locator("#sum img")).to_be_attached()
    source = "element => element.querySelector('img').src"
    page.get_by_label("− B", exact=True).fill("30")
    page.get_by_label("− B", exact=True).press("Enter")
    expect(page.locator("#sum-link textarea")).to_have_value(re.compile("seed%3D30"))
    page.get_by_label("+ C", exact=True).fill("30")  # so that nothing is left but A
    page.get_by_label("+ C", exact=True).press("Enter")
    expect(page.locator("#sum-link textarea")).to_have_value(re.compile("sum_b=.*seed%3D30.*sum_c=.*seed%3D30"))
    shown = [sheet_image(page, place, 0) for place in ("#sum", "#term-A", "#term-B")]
    assert (shown[0] - shown[1]).abs().max() <= 1 and (shown[0] - shown[2]).abs().max() > 50
    page.locator("#map button").nth(0).click()
    corner = page.locator("#map img").nth(0).get_attribute("src")
    page.locator("#take-C").click()
    expect(page.locator("#term-C img")).to_have_attribute("src", str(corner))
    expect(page.locator("#sum-link textarea")).to_have_value(re.compile(f"sum_c=.*offset.{STRONGEST[0]}%3D-3"))
    other = opened(browser, page.locator("#sum-link textarea").input_value())
    for place in ("#term-A", "#term-B", "#term-C", "#sum"):
        expect(other.locator(f"{place} img")).to_be_attached()
        assert other.locator(place).evaluate(source) == page.locator(place).evaluate(source)
    other.context.close()
    page.locator("#sum-keep").click()
    expect(page.locator("#kept button")).to_have_count(1)
    page.locator("#sum-explore").click()
    expect(page.locator("#place")).to_have_text("")  # no seed makes it
    assert (sheet_image(page, "#map", 40) - sheet_image(page, "#sum", 0)).abs().max() <= 1


def test_a_grid_over_two_settings_is_drawn_shared_kept_and_opened(
    address: str, browser: Browser, tmp_path: Path
) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=2&labels=Bag&tab=grid")
    expect(page.locator("#grid [data-index]")).to_have_count(50)  # ten classes, five truncations
    page.get_by_label("Columns").click()
    expect(page.get_by_role("option", name="Truncation")).to_have_count(0)
    page.get_by_role("option", name="Seed", exact=True).click()
    expect(page.locator("#grid [data-index]")).to_have_count(40)
    page.locator("#grid-x-values input").fill("20-22")
    page.locator("#grid-y-values input").fill("0.5, 0.7, 1")
    page.locator("#grid-draw").click()
    expect(page.locator("#grid [data-index]")).to_have_count(9)
    assert page.locator("#grid .sheet-label").all_inner_texts() == ["", "20", "21", "22", "0.5", "0.7", "1"]
    checkpoint = Checkpoint.from_pretrained(ROOT / MODEL)
    cell = checkpoint.sample(seed=21, labels="Bag", truncation=0.7).images[0]
    assert (sheet_image(page, "#grid", 4) - torch.tensor(list(to_picture(cell).getdata()))).abs().max() <= 1

    page.wait_for_function("new URLSearchParams(location.search).get('grid_x') === 'seed=20-22'")
    expect(page.locator("#grid-link textarea")).to_have_value(re.compile("grid_x=seed%3D20-22"))
    other = opened(browser, page.locator("#grid-link textarea").input_value())
    expect(other.locator("#grid [data-index]")).to_have_count(9)
    pictures = "sheet => [...sheet.querySelectorAll('img')].map(image => image.src)"
    assert other.locator("#grid").evaluate(pictures) == page.locator("#grid").evaluate(pictures)
    other.context.close()

    with page.expect_download(timeout=60_000) as download:
        page.locator("#grid-file").click()
    download.value.save_as(tmp_path / "grid.png")
    picture, provenance = read_png(tmp_path / "grid.png")
    assert provenance.weights == checkpoint.weights_sha256
    centre = picture[:, -176 : -176 + 84 : 3, -176 : -176 + 84 : 3]
    assert (centre.int() - cell.int()).abs().max() <= 1

    page.locator("#grid-x-values input").fill("20, far")
    page.locator("#grid-draw").click()
    expect(page.locator(".toast-body")).to_contain_text("'seed' is wrong")
    page.locator("#grid [data-index='4']").click()
    page.wait_for_function("/seed=21&labels=Bag&truncation=0.7/.test(location.search)")
    expect(page.get_by_role("tab", name="Generate")).to_have_attribute("aria-selected", "true")


def test_what_inversion_finds_is_explored_but_has_no_seed(address: str, browser: Browser, tmp_path: Path) -> None:
    picture = to_picture(Checkpoint.from_pretrained(ROOT / MODEL).sample(seed=5, count=1).images[0])
    picture.save(tmp_path / "seed-5.png")
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1&tab=invert")
    page.locator("#upload input[type=file]").set_input_files(tmp_path / "seed-5.png")
    expect(page.locator("#upload img")).to_be_visible()
    page.locator("#search").click()
    expect(page.locator("#nearest img")).to_be_visible(timeout=180_000)
    page.locator("#invert-explore").click()
    expect(page.locator("#map button")).to_have_count(81)
    page.get_by_role("button", name="Open in Generate").first.click()
    expect(page.locator(".toast-body")).to_contain_text("was not made from a seed")


def test_a_blend_of_classes_goes_to_generate(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1&tab=mix")
    expect(page.locator("#blend button")).to_have_count(12)
    before = page.locator("#blend img").first.get_attribute("src")
    slider = page.get_by_label("Trouser").first
    slider.fill("0.25")
    slider.press("Enter")
    expect(page.locator("#blend img").first).not_to_have_attribute("src", str(before))
    page.wait_for_function("location.search.includes('blend=T-shirt%2Ftop%3A1%2BTrouser%3A0.25')", timeout=60_000)
    shared = opened(browser, page.url)
    expect(shared.locator("#blend button")).to_have_count(12)
    pictures = "sheet => [...sheet.querySelectorAll('img')].map(image => image.src)"
    assert shared.locator("#blend").evaluate(pictures) == page.locator("#blend").evaluate(pictures)
    expect(shared.get_by_label("Trouser").first).to_have_value("0.25")
    page.locator("#blend-to-generate").click()
    page.wait_for_function("location.search.includes('Trouser%3A0.25')", timeout=60_000)
    expect(page.locator("#images img")).to_have_count(12)


def becomes(shown: Locator, colour: tuple[int, int, int], act: Callable[[], None]) -> bool:
    """Whether the middle of what the page shows there takes on a colour, as something is done again and again."""
    for _ in range(100):
        with Image.open(io.BytesIO(shown.screenshot())) as seen:
            if seen.convert("RGB").getpixel((seen.width // 2, seen.height // 2)) == colour:
                return True
        act()
    return False


def test_invert_draws_on_the_models_paper_and_says_what_it_found_and_kept(address: str, browser: Browser) -> None:
    page = opened(browser, address, "?checkpoint=checkpoints/emoji&seed=11&count=1&tab=invert")
    expect(page.locator("#invert-examples button")).to_have_count(6)
    page.get_by_role("tab", name="Draw").click()
    pad = page.locator("#sketch canvas").first
    expect(pad).to_be_visible()
    assert becomes(pad, (255, 255, 255), lambda: page.wait_for_timeout(100))
    box = pad.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def stroke() -> None:
        page.mouse.move(x - 40, y - 40)
        page.mouse.down()
        page.mouse.move(x + 40, y + 40, steps=8)
        page.mouse.up()

    assert becomes(pad, (0, 0, 0), stroke)
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1&tab=invert")
    page.locator("#invert-examples button").nth(2).click()
    expect(page.locator("#upload img")).to_be_visible()
    page.locator("#search").click()
    expect(page.locator("#chosen-class")).to_contain_text("Class · ", timeout=300_000)
    page.get_by_role("button", name="Keep it").last.click()
    expect(page.locator(".toast-body")).to_contain_text("Kept")


def test_a_grids_file_brings_it_back_and_its_labels_fit_a_phone(address: str, browser: Browser, client: Client) -> None:
    file = client.predict(MODEL, "class=Trouser,Pullover,Dress,Coat,Sandal,Shirt", "seed=3,9", api_name="/grid")
    page = opened(
        browser, address, f"?checkpoint={MODEL}&seed=11&count=1&tab=inspect", viewport={"width": 390, "height": 844}
    )
    page.locator("#inspected input[type=file]").set_input_files(file)
    expect(page.locator("#findings")).to_contain_text("Its request makes the same again.")
    page.get_by_role("button", name="Open in Grid").click()
    expect(page.get_by_role("tab", name="Grid")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#grid button")).to_have_count(12)
    expect(page.locator("#grid-y-values textarea, #grid-y-values input").first).to_have_value("3,9")
    trouser = Checkpoint.from_pretrained(ROOT / MODEL).sample(seed=9, labels="Trouser").images[0]
    shown = sheet_image(page, "#grid", 6)
    assert (shown - torch.tensor(list(to_picture(trouser).getdata()))).abs().max() <= 1
    label = page.locator("#grid .sheet-label", has_text="Trouser").bounding_box()
    assert label and label["height"] > 2 * label["width"]  # upright, and so in one piece
