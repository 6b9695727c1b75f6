"""The app as its users meet it: gradio_client and MCP over HTTP, and a real Chromium."""

import asyncio
import io
import os
import re
import signal
import socket
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, Locator, Page, expect

import app
from aigc_core import AIGCError, Checkpoint
from aigc_core.checkpoint.folder import step_folders
from aigc_core.evaluation.results import FIGURES, read_results
from aigc_core.modalities.png import read_png, to_picture
from aigc_core.sampling.directions import load_directions
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample, seed_noise
from aigc_core.terminal import run_program
from tests.local_hub import LocalHub
from tests.processes import answering, free_port
from tests.toy_models import toy_checkpoint

ROOT = Path(__file__).parents[2]
MODEL = "checkpoints/fashion-mnist"
STRONGEST = load_directions(Checkpoint.from_pretrained(ROOT / MODEL)).strongest(4)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running app, in a folder with a run of a model with styles, beside a Hub with a model and with none."""
    folder = tmp_path_factory.mktemp("app")
    styles = toy_checkpoint("style").save_pretrained(folder / "runs" / "styles")
    files = {path.name: path.read_bytes() for path in styles.iterdir()}
    with LocalHub(folder / "hub") as hub:
        hub.add("ada/styles", files)
        hub.add("ada/styles", files, branch="step-0000100")
        hub.add("ada/notes", {"README.md": b"Nothing but words."})
        port = free_port()
        own = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder / "served"), "OMP_NUM_THREADS": "1"}
        server = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py"), "--port", str(port), "--mcp"],
            cwd=folder,
            env=os.environ | own | hub.environment(folder / "hf"),
        )
        url = f"http://127.0.0.1:{port}/"
        with answering(server, url):
            yield url


@pytest.fixture(scope="module")
def client(address: str) -> Client:
    return Client(address, verbose=False)


def generated(client: Client, *arguments: object, **named: object) -> tuple[list[str], None, str]:
    return client.predict(MODEL, *arguments, **named, api_name="/generate")


def test_a_browser_that_reads_chinese_is_told_in_chinese(address: str) -> None:
    chinese = Client(address, verbose=False, headers={"accept-language": "zh-CN,zh;q=0.9"})
    with pytest.raises(AppError, match="没有类别“Gown”；可用的类别有 T-shirt/top, "):
        generated(chinese, 7, 3, "Gown")
    with pytest.raises(AppError, match=r"“seed”有误"):
        generated(chinese, -1, 3)


def test_generate_gives_the_pixels_of_the_core(client: Client) -> None:
    paths, _, link = generated(client, 7, 3, "Bag,Sneaker", 0.8, 1.5)
    checkpoint = Checkpoint.from_pretrained(ROOT / MODEL)
    expected = checkpoint.sample(seed=7, count=3, labels="Bag,Sneaker", truncation=0.8, offsets={STRONGEST[0]: 1.5})
    for path, image in zip(paths, expected.images, strict=True):
        found, provenance = read_png(Path(path))
        assert (found.int() - image.int()).abs().max() <= 1
        assert provenance.weights == checkpoint.weights_sha256 and provenance.request is not None
    with ZipFile(client.predict(link, api_name="/archive")) as pack:
        assert [pack.read(name) for name in sorted(pack.namelist())] == [Path(path).read_bytes() for path in paths]
    assert link.startswith("?") and "seed=7" in link and f"offset.{STRONGEST[0]}=1.5" in link


def test_a_link_keeps_directions_that_have_no_slider(address: str, browser: Browser) -> None:
    page = opened(browser, address, f"?checkpoint={MODEL}&seed=11&count=1&offset.sefa5=3&offset.z2=-2.125")
    offsets = {"sefa5": 3.0, "z2": -2.125}
    image = Checkpoint.from_pretrained(ROOT / MODEL).sample(seed=11, count=1, offsets=offsets).images[0]
    assert "sefa5" not in STRONGEST
    assert (first_image(page) - torch.tensor(list(to_picture(image).getdata()))).abs().max() <= 1
    assert "offset.sefa5=3" in page.url and "offset.z2=-2.125" in page.url


def test_styles_of_a_local_run_are_mixed(client: Client) -> None:
    paths, *_ = client.predict("runs/styles", 7, 1, mix_seed=8, mix_layer=3, api_name="/generate")
    expected = toy_checkpoint("style").sample(seed=7, count=1, mix_seed=8, mix_layer=3).images[0]
    assert (read_png(Path(paths[0]))[0].int() - expected.int()).abs().max() <= 1


BAD_VALUES = [
    ({"seed": -1}, "'seed' is wrong: it must be at least 0"),
    ({"seed": 1e30}, "'seed' is wrong"),
    ({"seed": "abc"}, "'seed' is wrong: it must be a whole number"),
    ({"count": 0}, "'count' is wrong: it must be at least 1"),
    ({"count": 10**6}, "'count' is wrong: it must be at most 64"),
    ({"count": "many"}, "'count' is wrong"),
    ({"labels": "Spoon"}, "no class 'Spoon'; the classes are T-shirt/top, Trouser"),
    ({"truncation": 2}, "'truncation' is wrong"),
    ({"direction_1": "up"}, "is wrong: it must be a number"),
    ({"offsets": "pca99=1"}, "no latent direction 'pca99'"),
    ({"offsets": "pca1=far"}, "is wrong: it must be a number"),
    ({"mix_seed": 3}, "no styles to mix"),
    ({"checkpoint": "nowhere"}, "no folder 'nowhere'"),
    ({"checkpoint": "../../etc"}, "no folder '../../etc'"),
    ({"checkpoint": None}, "'checkpoint' is wrong"),
    ({"checkpoint": f"{MODEL}@step-1"}, "has no revision 'step-1'; it has step-0007813"),
    ({"checkpoint": "ada/nothing"}, "is not on the Hub, or is private"),
    ({"checkpoint": "ada/notes"}, "is not a checkpoint of AIGC Studio"),
]


@pytest.mark.parametrize(("values", "sentence"), BAD_VALUES, ids=lambda value: str(value)[:40])
def test_bad_input_gives_a_sentence(client: Client, values: dict, sentence: str) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(**({"checkpoint": MODEL, "count": 1} | values), api_name="/generate")
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_models_on_board_and_local_runs_are_listed(client: Client) -> None:
    models = client.predict(api_name="/models")
    assert MODEL in models and "runs/styles" in models


def test_interpolation_is_a_movie(client: Client) -> None:
    import imageio.v3

    for kind in ("mp4", "gif"):
        path = client.predict(MODEL, 3, 2, frames=6, format=kind, api_name="/interpolate")
        frames = imageio.v3.imread(path)
        assert path.endswith(kind) and len(frames) == 12 and frames.std() > 10
    with pytest.raises(AppError, match="2 to 12 images"):
        client.predict(MODEL, 3, 1, api_name="/interpolate")


def test_a_grid_is_one_picture_that_says_where_it_comes_from(client: Client) -> None:
    path = client.predict(MODEL, "seed=1-3", "truncation=0.5,1", labels="Bag", api_name="/grid")
    picture, provenance = read_png(Path(path))
    checkpoint = Checkpoint.from_pretrained(ROOT / MODEL)
    assert provenance.weights == checkpoint.weights_sha256
    corner = checkpoint.sample(seed=3, labels="Bag").images[0]
    assert (picture[:, -88:-4:3, -88:-4:3].int() - corner.int()).abs().max() <= 1
    for x, sentence in (("seed=1-99", "at most 16 values"), ("steps=1", "no side 'steps'"), ("seed", "has no values")):
        with pytest.raises(AppError, match=sentence):
            client.predict(MODEL, x, api_name="/grid")


def test_inversion_finds_an_image_of_the_model(client: Client, tmp_path: Path) -> None:
    picture = to_picture(Checkpoint.from_pretrained(ROOT / MODEL).sample(seed=5, count=1).images[0])
    picture.save(tmp_path / "seed-5.png")
    found, curve = client.predict(MODEL, handle_file(tmp_path / "seed-5.png"), api_name="/invert")
    steps, losses = zip(*curve["data"])
    assert steps == tuple(range(0, 401, 10)) and losses[-1] < 0.1 and losses[-1] < losses[0]
    with Image.open(found) as image:
        difference = torch.tensor(list(image.convert("L").getdata())) - torch.tensor(list(picture.getdata()))
    assert difference.abs().float().mean() < 12


@pytest.mark.parametrize("upload", ["broken", "text", "1x1", "1x1 with odd EXIF", "20000x20000"])
def test_bad_uploads_give_a_sentence(client: Client, tmp_path: Path, upload: str) -> None:
    path = tmp_path / "upload.png"
    if upload == "text":
        path.write_text("This is no image.")
    else:
        size = (40, 40) if upload == "broken" else tuple(map(int, upload.split(maxsplit=1)[0].split("x")))
        Image.new("1", size).save(path, exif=b"Exif\0\0MM\0*\0\0\xff\xff" if "EXIF" in upload else b"")
        if upload == "broken":
            Image.effect_noise(size, 90).save(path)
            path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(AppError) as caught:
        client.predict(MODEL, handle_file(path), api_name="/invert")
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message and re.search("image|upload.png", message)
    assert str(tmp_path.parent) not in message


def called(address: str, name: str, body: dict[str, object], version: str = "") -> str:
    """What a listed endpoint answers to a plain POST."""
    event = httpx.post(f"{address}gradio_api/call/{version}{name}", json=body).json()["event_id"]
    return httpx.get(f"{address}gradio_api/call/{name}/{event}", timeout=120).text


def test_listed_endpoints_run_with_their_defaults_and_with_fewer_values(address: str, tmp_path: Path) -> None:
    listed = httpx.get(f"{address}gradio_api/info").json()["named_endpoints"]
    for path, endpoint in listed.items():
        documented = {each["parameter_name"]: each["parameter_default"] for each in endpoint["parameters"]}
        if path != "/invert":
            assert "event: complete" in called(address, path[1:], {"data": []}), path
            assert "event: complete" in called(address, path[1:], documented, "v2/"), path
    assert called(address, "generate", {"data": [MODEL, 7, 2]}).count("-seed-") == 2
    assert "lacks a value for 'picture'" in called(address, "invert", {"data": [MODEL]})
    to_picture(torch.zeros(1, 28, 28, dtype=torch.uint8)).save(tmp_path / "black.png")
    with (tmp_path / "black.png").open("rb") as file:
        (uploaded,) = httpx.post(f"{address}gradio_api/upload", files={"files": file}).json()
    picture = {"path": uploaded, "meta": {"_type": "gradio.FileData"}}
    assert "event: complete" in called(address, "invert", {"data": [MODEL, picture]})


def test_a_call_reads_no_file_but_uploads(address: str, tmp_path: Path) -> None:
    to_picture(torch.zeros(1, 28, 28, dtype=torch.uint8)).save(tmp_path / "private.png")
    path = str(tmp_path / "private.png")
    for picture in ({"path": path}, {"path": path, "meta": {"_type": "gradio.FileData"}}, {"path": "/etc/hostname"}):
        answer = called(address, "invert", {"data": [MODEL, picture]})
        assert "event: error" in answer and "only name files that were uploaded" in answer
    for wrong in ("abc", 5, [path], {"path": 5}):
        answer = called(address, "invert", {"data": [MODEL, wrong]})
        assert "event: error" in answer and "takes a file that was uploaded" in answer, wrong


def test_fifty_visitors_at_once(address: str) -> None:
    with ThreadPoolExecutor(50) as pool:
        # One client each: calls that share one can lose an answer while its stream closes and opens again.
        patient = {"timeout": 300}
        visitors = list(pool.map(lambda _: Client(address, verbose=False, httpx_kwargs=patient), range(50)))
        answers = list(pool.map(lambda seed: generated(visitors[seed], seed, 1)[0], range(50)))
    expected = Checkpoint.from_pretrained(ROOT / MODEL).sample(seed=0, count=50).images
    for paths, image in zip(answers, expected, strict=True):
        assert (read_png(Path(paths[0]))[0].int() - image.int()).abs().max() <= 1


def test_language_models_find_the_tools(address: str) -> None:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def ask() -> tuple[dict, object]:
        async with (
            streamablehttp_client(f"{address}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            name = next(name for name in tools if name.endswith("generate"))
            return tools, await session.call_tool(name, {"checkpoint": MODEL, "seed": 7, "count": 1})

    # In a thread of its own: the browser of other tests keeps a loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        tools, answer = thread.submit(asyncio.run, ask()).result()
    assert {name.split("_")[-1] for name in tools} == {"generate", "archive", "grid", "interpolate", "invert", "models"}
    assert "seed=7" in str(answer.content)  # type: ignore[attr-defined]


def test_without_its_package_mcp_is_refused_in_a_sentence() -> None:
    script = (
        "import runpy, sys; sys.modules['mcp'] = None; sys.argv = ['app.py', '--mcp']; "
        "runpy.run_path('app.py', run_name='__main__')"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and "pip install 'gradio[mcp]'" in result.stderr and "Traceback" not in result.stderr


def test_the_app_starts_without_what_it_does_not_need_yet() -> None:
    unneeded = {"plotly", "torchvision", "sklearn", "matplotlib", "streamlit"}
    script = f"import sys, app; print(*{unneeded} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What `python app.py` says to words that it refuses, in this process: importing Gradio again takes seconds."""

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["app.py", *words])
        with pytest.raises(SystemExit) as ended:
            sys.exit(run_program(app.main))
        assert ended.value.code == 2
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("--port=99999", "argument --port: invalid port value: '99999'"),
        ("--port=http", "argument --port: invalid port value: 'http'"),
        ("--host=203.0.113.1", "of '203.0.113.1' cannot be listened to"),
        ("--host=no-such-name.invalid", "of 'no-such-name.invalid' cannot be listened to"),
    ],
)
def test_an_address_that_cannot_be_served_is_a_sentence(word: str, sentence: str, refusal: Callable[..., str]) -> None:
    assert sentence in refusal(word)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"GRADIO_SERVER_PORT": "99999"}, "GRADIO_SERVER_PORT is 99999"),
        ({"GRADIO_SERVER_NAME": "203.0.113.1"}, "of '203.0.113.1' cannot be listened to"),
    ],
)
def test_an_address_of_the_environment_that_cannot_be_served_is_a_sentence(
    environment: dict[str, str], sentence: str
) -> None:
    start, own = [sys.executable, "app.py"], os.environ | environment
    done = subprocess.run(start, cwd=ROOT, env=own, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr


def test_a_busy_port_is_answered_with_the_next_free_one(refusal: Callable[..., str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        busy = other.getsockname()[1]
        start, own = [sys.executable, "-u", "app.py"], os.environ | {"GRADIO_SERVER_PORT": str(busy)}
        said = refusal(f"--port={busy}")
        assert re.search(rf"^error: Port {busy} is in use; (\d+) is free: add --port \1\.$", said, re.M)
        with subprocess.Popen(start, cwd=ROOT, env=own, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            lines = iter(server.stdout.readline, "")
            served = next(found for line in lines if (found := re.search(r"http://127\.0\.0\.1:(\d+)", line)))
            server.terminate()
        assert busy < int(served[1]) <= busy + 100


def test_an_interruption_while_the_app_is_imported_leaves_no_traceback() -> None:
    verbose = [sys.executable, "-v", "app.py"]
    with subprocess.Popen(verbose, cwd=ROOT, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        while "gradio/__init__" not in server.stderr.readline():
            assert server.poll() is None
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=60)
    assert server.returncode and "KeyboardInterrupt" not in said


def test_a_disk_that_takes_no_images_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from aigc_core.demo import pictures

    (tmp_path / "file").touch()
    monkeypatch.setattr(pictures, "get_upload_folder", lambda: str(tmp_path / "file"))
    with pytest.raises(AIGCError, match="'aigc-studio' could not be written"):
        pictures.served_folder()
    checkpoint = toy_checkpoint()
    drawn = sample(checkpoint, SampleRequest(checkpoint="toy"))
    full = tmp_path / "full"
    full.mkdir()
    (full / "images.zip").symlink_to("/dev/full")
    monkeypatch.setattr(pictures, "served_folder", lambda: full)
    with pytest.raises(AIGCError, match="'images.zip' could not be written: the disk is full"):
        pictures.write_archive(drawn.stored, drawn.request, checkpoint)
    (full / "toy-seed-0.png").symlink_to("/dev/full")
    with pytest.raises(AIGCError, match="'images' could not be written: the disk is full"):
        pictures.write_samples(drawn.stored, drawn.request, checkpoint, full)


def opened(browser: Browser, address: str, query: str = "", **context: object) -> Page:
    """A page of a visitor of its own, when its images are there."""
    page = browser.new_context(**context).new_page()  # type: ignore[arg-type]
    page.goto(address + query)
    expect(page.locator("#images img").first).to_be_attached(timeout=60_000)
    page.wait_for_function("location.search.includes('seed=')", timeout=60_000)
    return page


def first_image(page: Page) -> torch.Tensor:
    source = page.locator("#images img").first.get_attribute("src")
    with Image.open(io.BytesIO(page.request.get(str(source)).body())) as picture:
        return torch.tensor(list(picture.convert("L").getdata()))


def sheet_image(page: Page, sheet: str, index: int) -> torch.Tensor:
    source = str(page.locator(f"{sheet} img").nth(index).get_attribute("src"))
    with Image.open(io.BytesIO(b64decode(source.partition(",")[2]))) as picture:
        return torch.tensor(list(picture.convert("L").getdata()))


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


def test_a_model_from_the_hub_is_typed_in_and_one_that_is_none_is_told(address: str, browser: Browser) -> None:
    page = opened(browser, address, "?tab=mix")
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
"""What each tab shows once it is drawn."""


def test_a_phone_shows_everything_within_its_width_and_in_chinese(address: str, browser: Browser) -> None:
    page = opened(browser, address, viewport={"width": 390, "height": 844}, locale="zh-CN")
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
