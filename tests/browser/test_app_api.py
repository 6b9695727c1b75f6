"""The app over HTTP: its endpoints by gradio_client and by plain calls, and MCP."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from aigc_core import Checkpoint
from aigc_core.modalities.png import read_png, to_picture
from tests.app_pages import MODEL, STRONGEST
from tests.processes import ROOT
from tests.toy_models import toy_checkpoint


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
