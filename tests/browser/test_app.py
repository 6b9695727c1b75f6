"""The app's page in a real Chromium: Generate, links, the history, files dropped on it, keyboard, phone, languages."""

import re
from pathlib import Path
from zipfile import ZipFile

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, expect

from aigc_core import Checkpoint
from aigc_core.checkpoint.folder import step_folders
from aigc_core.evaluation.results import FIGURES, read_results
from aigc_core.modalities.png import to_picture
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample
from tests.app_pages import MODEL, STRONGEST, first_image, opened, sheet_image
from tests.processes import ROOT


def test_a_link_keeps_directions_that_have_no_slider(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1&offset.sefa5=3&offset.z2=-2.125")
    offsets = {"sefa5": 3.0, "z2": -2.125}
    image = Checkpoint.from_pretrained(ROOT / MODEL).sample(seed=11, count=1, offsets=offsets).images[0]
    assert "sefa5" not in STRONGEST
    assert (first_image(page) - torch.tensor(list(to_picture(image).getdata()))).abs().max() <= 1
    assert "offset.sefa5=3" in page.url and "offset.z2=-2.125" in page.url


def test_a_slider_changes_the_image_and_the_link_brings_it_back(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=2")
    before = first_image(page)
    expected = to_picture(Checkpoint.from_pretrained(ROOT / MODEL).sample(seed=11, count=1).images[0])
    assert (before - torch.tensor(list(expected.getdata()))).abs().max() <= 1
    slider = page.get_by_label(re.compile(f"{STRONGEST[0]}$")).first
    slider.fill("3")
    slider.press("Enter")
    page.wait_for_function(f"location.search.includes('offset.{STRONGEST[0]}=3')", timeout=60_000)
    after = first_image(page)
    assert not torch.equal(before, after)
    link = page.locator("#link textarea").input_value()
    assert link == page.url
    other = opened(browser, link)
    assert torch.equal(first_image(other), after)


def test_pictures_beside_a_slider_show_where_its_direction_leads(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=2&truncation=0.8")
    expect(page.locator("#strip-2 button")).to_have_count(5)
    expect(page.locator("#strip-2 button[aria-pressed=true]")).to_have_attribute("title", f"{STRONGEST[1]} +0")
    checkpoint = Checkpoint.from_pretrained(ROOT / MODEL)
    for index, place in enumerate((-4, -2, 0, 2, 4)):
        expected = checkpoint.sample(seed=11, count=1, truncation=0.8, offsets={STRONGEST[1]: place}).images[0]
        shown = sheet_image(page, "#strip-2", index)
        assert (shown - torch.tensor(list(to_picture(expected).getdata()))).abs().max() <= 1
    source = str(page.locator("#strip-2 img").last.get_attribute("src"))
    page.locator("#strip-2 button").last.click()
    page.wait_for_function(f"location.search.includes('offset.{STRONGEST[1]}=4')", timeout=60_000)
    expect(page.get_by_label(re.compile(f"{STRONGEST[1]}$")).first).to_have_value("4")
    expect(page.locator("#strip-1 img").nth(2)).to_have_attribute("src", source)


def test_an_old_link_opens_beside_what_others_added_to_it(address: str, browser: Browser) -> None:
    old = f"checkpoint={MODEL}&seed=40&count=16&labels=Sneaker&truncation=0.7&offset.pca0=2&tab=generate"
    page = opened(browser, address, f"?utm_source=letter&{old}&fbclid=x&__theme=dark")
    expected = Checkpoint.from_pretrained(ROOT / MODEL).sample(
        seed=40, count=1, labels="Sneaker", truncation=0.7, offsets={"pca0": 2}
    )
    assert (first_image(page) - torch.tensor(list(to_picture(expected.images[0]).getdata()))).abs().max() <= 1
    expect(page.locator("#images img")).to_have_count(16)
    expect(page.locator(".toast-body")).to_have_count(0)
    assert "truncation=0.7" in page.url and "offset.pca0=2" in page.url and "letter" not in page.url
    link = page.locator("#link textarea").input_value()
    assert "__theme=dark" in page.url and "truncation=0.7" in link and "__theme" not in link


def test_all_images_are_downloaded_as_a_zip_that_is_made_when_asked_for(
    address: str, browser: Browser, tmp_path: Path
) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=2")
    for seed in (11, 12):  # the second is of the images on show then
        page.goto(f"{address}?checkpoint={MODEL}&seed={seed}&count=2")
        page.wait_for_function(f"location.search.includes('seed={seed}')", timeout=60_000)
        expect(page.locator("#link textarea")).to_have_value(re.compile(f"seed={seed}"))
        with page.expect_download(timeout=60_000) as download:
            page.locator("#pack").click()
        assert download.value.suggested_filename == "images.zip"
        download.value.save_as(tmp_path / "images.zip")
        with ZipFile(tmp_path / "images.zip") as pack:
            assert pack.namelist() == [f"fashion-mnist-seed-{seed}.png", f"fashion-mnist-seed-{seed + 1}.png"]


def test_the_history_outlives_a_reload_and_brings_a_state_back(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=2")
    expect(page.locator("#history button")).to_have_count(1)
    page.locator("#dice").click()
    expect(page.locator("#history button")).to_have_count(2)
    page.goto(f"{address}?checkpoint={MODEL}&seed=12&count=2")
    expect(page.locator("#history button")).to_have_count(3)
    page.locator("#history button").last.click()
    page.wait_for_function("location.search.includes('seed=11')", timeout=60_000)


def test_a_model_from_the_hub_is_typed_in_and_one_that_is_none_is_told(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&tab=mix")
    expect(page.locator("#pairs button")).to_have_count(100)
    expect(page.locator("#styles")).to_be_hidden()
    model = page.locator("#model input")
    model.fill("ada/styles")
    model.press("Enter")
    expect(page.locator("#styles button")).to_have_count(24)
    page.locator("#step input").click()
    expect(page.get_by_role("option", name="100")).to_be_visible()
    page.keyboard.press("Escape")
    expect(model).to_have_value("ada/styles")
    model.fill("ada/notes")
    model.press("Enter")
    expect(page.locator(".toast-body")).to_contain_text("is not a checkpoint of AIGC Studio")
    expect(model).to_have_value("ada/styles")
    expect(page.locator("#opening")).to_be_hidden()
    model.click()
    page.keyboard.press("Control+A")
    page.keyboard.type("nowhere")
    page.keyboard.press("Enter")
    expect(page.locator(".toast-body", has_text="There is no folder 'nowhere'")).to_be_visible()
    expect(model).to_have_value("ada/styles")
    expect(page.locator("#opening")).to_be_hidden()
    page.get_by_role("tab", name="Grid").click()
    expect(page.get_by_role("tab", name="Grid")).to_have_attribute("aria-selected", "true")


def test_while_a_model_opens_the_old_one_is_greyed_under_a_sign(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1")
    expect(page.locator("#opening")).to_be_hidden()
    page.evaluate(
        """() => { window.signs = []; new MutationObserver(() => {
          if (document.body.classList.contains('opening')) {
            const sign = document.querySelector('#opening');
            const grey = getComputedStyle(document.querySelector('.tabs')).filter;
            window.signs.push([sign.innerText.trim(), sign.offsetHeight > 0, grey]);
          }
        }).observe(document.body, {attributeFilter: ['class']}); }"""
    )
    page.get_by_label("Model", exact=True).fill("checkpoints/mnist-mlp")
    page.get_by_label("Model", exact=True).press("Enter")
    page.wait_for_function("location.search.includes('mnist-mlp')")
    expect(page.locator("#opening")).to_be_hidden()
    assert page.evaluate("window.signs") == [["Opening the model …", True, "grayscale(1)"]]
    page.get_by_label("Model", exact=True).click()
    page.keyboard.press("Control+A")
    page.keyboard.type("mnist")  # which five other names hold
    expect(page.get_by_role("option")).to_have_count(6)
    page.keyboard.press("Enter")
    page.wait_for_function("new URLSearchParams(location.search).get('checkpoint') == 'checkpoints/mnist'")


def test_an_example_that_is_a_grid_opens_it_on_a_page_that_has_shown_none(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1")
    page.get_by_role("button", name="Ten digits a row").click()
    expect(page.locator("#grid button")).to_have_count(40)
    expect(page.locator("#grid-x-values textarea, #grid-x-values input")).to_have_value("0,1,2,3,4,5,6,7,8,9")
    expect(page.locator("#grid-y-values textarea, #grid-y-values input")).to_have_value("100-103")
    page.wait_for_function("window.scrollY == 0")  # the example was at the page's end


def test_a_chosen_picture_is_named_varied_compared_and_reused(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=16&labels=Bag,Sneaker")
    expect(page.locator("#chosen-picture")).to_be_hidden()
    page.locator("#images .thumbnail-item").nth(9).scroll_into_view_if_needed()
    scrolled = page.evaluate("scrollY")
    page.locator("#images .thumbnail-item").nth(9).click()
    expect(page.locator("#chosen-caption")).to_have_text("Seed 20 · Sneaker")
    assert page.evaluate("scrollY") == scrolled
    checkpoint = Checkpoint.from_pretrained(ROOT / MODEL)
    page.get_by_role("button", name="Variations around it").click()
    expect(page.locator("#derived button")).to_have_count(12)
    moved = checkpoint.sample(seed=20, labels="Sneaker", offsets={STRONGEST[0]: -1.5}).images[0]
    assert (sheet_image(page, "#derived", 0) - torch.tensor(list(to_picture(moved).getdata()))).abs().max() <= 1
    page.get_by_role("button", name="Compare over training").click()
    steps = step_folders(ROOT / MODEL)
    expect(page.locator("#derived button")).to_have_count(len(steps) + 1)
    early = Checkpoint.from_pretrained(f"{ROOT / MODEL}@{steps[0].name}").sample(seed=20, labels="Sneaker").images[0]
    assert (sheet_image(page, "#derived", 0) - torch.tensor(list(to_picture(early).getdata()))).abs().max() <= 1
    page.get_by_role("button", name="Use this seed").click()
    page.wait_for_function("location.search.endsWith('&seed=20&count=16&labels=Sneaker')")
    expect(page.locator("#chosen-picture")).to_be_hidden()


def test_captions_are_shown_when_asked_for(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=2")
    caption = page.locator("#images .caption-label").last
    expect(caption).to_be_hidden()
    page.get_by_label("Captions").check()
    expect(caption).to_be_visible()
    drawn = Checkpoint.from_pretrained(ROOT / MODEL).sample(seed=11, count=2)
    name = drawn.checkpoint.config.class_name(int(drawn.labels[1].argmax()))
    expect(caption).to_have_text(f"Seed 12 · {name}")


def test_free_text_in_classes_is_a_class_or_a_mix(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1")
    classes = page.get_by_label("Classes")
    for typed in ("Gown", "Bag:0.7+Coat:0.3"):
        classes.fill(typed)
        classes.press("Enter")
    expect(page.locator(".toast-body")).to_contain_text("There is no class 'Gown'")
    page.wait_for_function("location.search.includes('labels=Bag%3A0.7%2BCoat%3A0.3')")
    expect(page.locator(".token")).to_have_count(1)


def test_the_history_keeps_what_a_slider_was_let_go_at(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1")
    expect(page.locator("#history button")).to_have_count(1)
    slider = page.locator(f"input[type=range][aria-label$='{STRONGEST[0]}']")
    box = slider.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"], box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    expect(page.locator("#history button").first).to_have_attribute("title", re.compile(f"{STRONGEST[0]}=4"))
    expect(page.locator("#history button")).to_have_count(2)
    slider.press("ArrowLeft")
    expect(page.locator("#history button").first).to_have_attribute("title", re.compile(f"{STRONGEST[0]}=3.9"))


def test_about_shows_the_figures_of_the_results_with_their_intervals(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1&tab=about")
    fid = read_results(ROOT / MODEL)[0].figures["fid"]
    table = page.locator("#about-facts")
    expect(table).to_contain_text(f"{fid.low:.4g} – {fid.high:.4g}")
    expect(table).to_contain_text("Where it fails")
    sign = table.locator("tr", has_text="Recall").locator(".info-sign").first  # two judges measured it
    expect(sign).to_have_attribute("aria-label", FIGURES["recall"].meaning)
    sign.focus()
    assert FIGURES["recall"].meaning in sign.evaluate("sign => getComputedStyle(sign, '::after').content")
    expect(page.locator("#about-samples img")).to_be_visible()


PHONE_TABS = {
    "生成": "#images img",
    "网格": "#grid [data-index]",
    "探索": "#map button",
    "混合": "#blend button",
    "反演": "#invert-examples button",
    "关于此模型": "#about-facts table",
}


def test_a_phone_shows_everything_within_its_width_and_in_chinese(address: str, browser: Browser) -> None:
    query = f"?checkpoint={MODEL}&seed=11"
    page = opened(browser, address, query, viewport={"width": 390, "height": 844}, locale="zh-CN")
    page.locator("#strip-4 button").first.scroll_into_view_if_needed()
    pictures = page.locator("#images").bounding_box()
    assert pictures and pictures["y"] == 0 and pictures["height"] <= 422  # in sight while sliders move
    for name, drawn in PHONE_TABS.items():
        tab = page.get_by_role("tab", name=name)
        if not tab.is_visible():  # what does not fit lies in a menu
            page.locator(".overflow-menu > button").click()
            tab = page.locator(".overflow-dropdown button", has_text=name)
        tab.click()
        expect(page.locator(drawn).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        wide = page.evaluate(
            "[...document.querySelectorAll('main *')]"
            ".filter(e => e.offsetParent && e.getBoundingClientRect().right > 391)"
            ".filter(e => !e.closest('[aria-hidden=true]'))"  # by which Gradio measures how many tabs fit
            ".map(e => e.outerHTML.slice(0, 80))"
        )
        assert not wide, wide
        head, step = (page.locator(name).bounding_box() for name in ("#header", "#step"))
        assert head and step and step["x"] + step["width"] <= head["x"] + head["width"]
        if name == "反演":
            page.locator("#search").click()
            expect(page.locator(".toast-body")).to_contain_text("请先上传")


def test_the_language_is_chosen_on_the_page_or_by_the_address_and_no_link_carries_it(
    address: str, browser: Browser
) -> None:
    query = f"?checkpoint={MODEL}&seed=11&count=1"
    page = opened(browser, address, query, locale="en-GB")
    expect(page.get_by_role("tab", name="Generate")).to_be_visible()
    page.locator("#language").get_by_text("中文").click()
    expect(page.get_by_role("tab", name="生成")).to_be_visible()
    expect(page.locator("#language").get_by_text("中文")).to_have_attribute("aria-pressed", "true")
    page.goto(address + query)  # the choice is remembered, and the server's sentences follow it
    expect(page.locator("#link textarea")).to_have_value(re.compile("seed=11"))
    page.get_by_label("类别").fill("Gown")
    page.get_by_label("类别").press("Enter")
    expect(page.locator(".toast-body")).to_contain_text("没有类别“Gown”")
    page.goto(f"{address}{query}&__lang=en")
    expect(page.get_by_role("tab", name="Generate")).to_be_visible()
    page.wait_for_function("location.search.includes('__lang=en')")
    expect(page.locator("#link textarea")).to_have_value(re.compile("seed=11"))
    assert "__lang" not in page.locator("#link textarea").input_value()
    asked = opened(browser, address, f"{query}&__lang=zh", locale="en-GB")
    expect(asked.get_by_role("tab", name="生成")).to_be_visible()
    asked.locator("#language").get_by_text("English").click()
    expect(asked.get_by_role("tab", name="Generate")).to_be_visible()


def test_the_tab_key_passes_menus_without_opening_them(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=2")
    page.locator("body").press("Tab")
    model = page.locator("#model input")
    for _ in range(3):  # what comes before it, such as a link to sign in
        if not model.evaluate("box => box === document.activeElement"):
            page.keyboard.press("Tab")
    expect(model).to_be_focused()
    assert page.get_by_role("option").count() == 0
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", name="mnist-mlp")).to_be_visible()
    page.keyboard.press("Escape")


def test_arrow_keys_move_enter_chooses_and_escape_returns(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=4&grid_x=seed%3D1-2&grid_y=truncation%3D0.5,1")
    page.locator("#images .thumbnail-item").nth(2).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#images .preview")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#images .preview")).to_have_count(0)
    expect(page.locator("#images .thumbnail-item").nth(2)).to_be_focused()

    page.get_by_role("tab", name="Generate").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("tab", name="Grid")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#grid button")).to_have_count(4)
    page.locator("#grid button").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Enter"):  # the second has nowhere to go
        page.keyboard.press(key)
    page.wait_for_function("/seed=2(&|$)/.test(location.search)")
    expect(page.get_by_role("tab", name="Generate")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(page.get_by_role("tab", name="Grid")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#grid button").nth(3)).to_be_focused()

    page.get_by_role("tab", name="Explore").click()
    expect(page.locator("#map button[tabindex='0']")).to_have_count(1)  # where the tab key stops
    page.locator("#map button[aria-pressed=true]").focus()
    for key in ("ArrowRight", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    chosen = page.locator("#map button").nth(40 + 1 - 9)
    expect(chosen).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#chosen img")).to_have_attribute("src", str(chosen.locator("img").get_attribute("src")))
    expect(chosen).to_be_focused()


def test_a_dropped_file_brings_its_settings_back_and_inspect_says_what_it_is(
    address: str, browser: Browser, tmp_path: Path
) -> None:
    checkpoint = Checkpoint.from_pretrained(ROOT / MODEL)
    request = SampleRequest(checkpoint=MODEL, seed=23, labels="Bag", truncation=0.5)
    sample(checkpoint, request).save(tmp_path / "made.png")
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1&tab=about")
    made = [*(tmp_path / "made.png").read_bytes()]
    carried = page.evaluate_handle(
        """bytes => { const carried = new DataTransfer();
        carried.items.add(new File([new Uint8Array(bytes)], 'made.png', {type: 'image/png'})); return carried; }""",
        made,
    )
    page.dispatch_event("#header", "drop", {"dataTransfer": carried})
    page.wait_for_function("/seed=23&labels=Bag&truncation=0.5/.test(location.search)")
    expect(page.get_by_role("tab", name="Generate")).to_have_attribute("aria-selected", "true")

    with Image.open(tmp_path / "made.png") as picture:
        picture.rotate(180).save(tmp_path / "foreign.png")
        changed = PngInfo()
        changed.add_itxt("XML:com.adobe.xmp", picture.info["xmp"].decode())
        picture.rotate(180).save(tmp_path / "changed.png", pnginfo=changed)
    page.get_by_role("tab", name="Inspect").click()
    for name, finding in (
        ("made", "Its request makes the same again."),
        ("changed", "The pixels do not match"),
        ("foreign", "There is no sign of it."),
    ):
        page.locator("#inspected input[type=file]").set_input_files(tmp_path / f"{name}.png")
        expect(page.locator("#findings")).to_contain_text(finding)
        page.locator("#inspected").get_by_label("Clear").click()
        expect(page.locator("#findings table")).to_have_count(0)
