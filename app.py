"""The studio in a browser: `python app.py`. Layout and events only; every computation is a call into aigc_core."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr
import torch
from PIL import Image

from aigc_core import AIGCError, Checkpoint, SampleRequest
from aigc_core.checkpoint import CARD_FILE, CONFIG_FILE, SAMPLES_FILE, resolve_reference, step_folders
from aigc_core.config import parse_config
from aigc_core.provenance import png_bytes, to_picture
from aigc_core.sampling import MAX_SEED, sample
from aigc_core.visitors import check_reference

ROOT = Path(__file__).parent
MAX_COUNT = 64
NUM_DIRECTIONS = 4

CHINESE = {
    "model": "模型", "model_info": "随附的模型、本地训练结果,或 Hub 上的 owner/name", "seed": "种子", "dice": "🎲 换一个",
    "count": "数量", "labels": "类别", "labels_info": "留空则随机;多个:0,1,2;混合:0:0.7+3:0.3", "truncation": "截断",
    "truncation_info": "1 为全部多样性,越小越接近平均图像", "latent": "潜变量微调", "generate": "生成", "images": "图像",
    "zip": "全部下载 (zip)", "link": "分享链接", "journey": "漫游", "journey_info": "从当前种子开始,穿过相邻图像的影片。", "invert": "反演",
    "invert_info": "上传图片,寻找此模型能画出的最接近的图像。", "upload": "图片", "nearest": "最接近的图像", "loss": "步数 · 损失",
    "about": "关于此模型", "copy": "复制到我的账号(私有)", "copy_name": "在 Hub 上的名称", "create": "创作",
    "intro": "选一个模型,换换种子,拖动滑块。图像均由人工智能生成。",
}  # fmt: skip
ENGLISH = {
    "model": "Model", "model_info": "shipped, trained here, or owner/name on the Hub", "seed": "Seed", "dice": "🎲 Surprise me",
    "count": "Images", "labels": "Class", "labels_info": "empty: any; several: 0,1,2; a mix: 0:0.7+3:0.3",
    "truncation": "Truncation", "truncation_info": "1: full variety; smaller: closer to the average image",
    "latent": "Latent controls", "generate": "Generate", "images": "Images", "zip": "Download all (zip)",
    "link": "Link to exactly these images", "journey": "Journey", "journey_info": "A movie through the images of the current seeds.", "invert": "Invert",
    "invert_info": "Upload a picture and find the nearest image this model can draw.", "upload": "Picture",
    "nearest": "Nearest image", "loss": "Step · loss", "about": "About this model", "copy": "Copy to my account (private)", "copy_name": "Its name on the Hub", "create": "Create",
    "intro": "Pick a model, roll the dice, move the sliders. All images are made by a machine.",
}  # fmt: skip
text = gr.I18n(en=ENGLISH, zh=CHINESE, **{"zh-CN": CHINESE})

CSS = """
.gradio-container { max-width: 1180px !important; margin: auto; }
#images img, #samples img, #nearest img { image-rendering: pixelated; }
@media (max-width: 640px) {
  .gradio-container .main { width: 100vw !important; max-width: 100vw !important; padding: 8px !important; }
  .gradio-container .main > .wrap, .gradio-container main { width: 100%; max-width: 100%; min-width: 0; }
  .gradio-container .row > .column { min-width: 100% !important; }
  #images .grid-container { grid-template-columns: repeat(4, minmax(0, 1fr)) !important; }
  #images .thumbnail-lg { min-width: 0; width: 100%; height: auto; }
}
#title h1 { font-size: 1.9rem; letter-spacing: -0.02em; margin-bottom: 0.1rem; }
"""


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show the visitor the sentence of an AIGCError."""
    try:
        yield
    except AIGCError as error:
        raise gr.Error(str(error), print_exception=False) from None


def token_of(visitor: gr.OAuthToken | None) -> str | None:
    """The token of a visitor who signed in on a Space."""
    return visitor.token if visitor else None


def model_references() -> list[str]:
    """The shipped models, runs in the working directory, and Hub models a Space was deployed with (AIGC_MODELS)."""
    folders = [
        path for parent in (ROOT / "checkpoints", Path("runs")) if parent.is_dir() for path in sorted(parent.iterdir())
    ]
    known = [path for path in folders if path.is_dir() and ((path / CONFIG_FILE).is_file() or step_folders(path))]
    return [f"{path.parent.name}/{path.name}" for path in known] + os.environ.get("AIGC_MODELS", "").split()


def local(reference: str) -> str:
    """Shipped models lie beside this file, wherever the app was started from."""
    return str(ROOT / reference) if reference.startswith("checkpoints/") else reference


@lru_cache(16)
def load(reference: str, token: str | None = None) -> Checkpoint:
    """The checkpoint of a reference on the best device, loaded once for each visitor's token."""
    from accelerate import PartialState

    check_reference(local(reference))
    return Checkpoint.from_pretrained(local(reference), token=token, device=str(PartialState().device))


def directions(model: str, token: str | None = None) -> list[str]:
    """The names of the model's strongest latent directions, which the sliders follow."""
    from aigc_core.directions import load_directions

    return load_directions(load(model, token)).strongest(NUM_DIRECTIONS)


def sliders_for(model: str, offsets: dict[str, float], token: str | None = None) -> list[Any]:
    """The sliders for a model's directions, at the places that `offsets` names and at zero elsewhere."""
    try:
        names = directions(model, token)
    except AIGCError:
        names = []  # generating says what is wrong with the model
    names += [""] * (NUM_DIRECTIONS - len(names))
    return [gr.Slider(label=name or "—", value=offsets.get(name, 0.0), interactive=bool(name)) for name in names]


def reset_sliders(model: str, visitor: gr.OAuthToken | None = None) -> list[Any]:
    """The sliders of a newly chosen model."""
    return sliders_for(model, {}, token_of(visitor))


def on_gpu(function: Any) -> Any:
    """Run on a GPU lent for the call where Hugging Face's package `spaces` is installed (ZeroGPU)."""
    try:
        version("spaces")
    except PackageNotFoundError:
        return function
    import spaces

    return spaces.GPU(duration=10)(function)


@on_gpu
def draw(canonical: str, token: str | None = None) -> Any:
    """Images uint8 [N, C, H, W] as a numpy array."""
    request = SampleRequest.from_canonical(canonical)
    return sample(load(request.checkpoint, token), request).images.numpy()


def served_folder() -> Path:
    """A new folder for files that Gradio will serve."""
    return Path(tempfile.mkdtemp(prefix="aigc-", dir=os.environ.get("GRADIO_TEMP_DIR")))


def generate(
    model: str, seed: float = 0, count: float = 16, labels: str = "", truncation: float = 1.0,
    direction_1: float = 0, direction_2: float = 0, direction_3: float = 0, direction_4: float = 0,
    visitor: gr.OAuthToken | None = None,
) -> tuple[list[str], str, str]:  # fmt: skip
    """Generate images.

    Args:
        model: a shipped model such as checkpoints/fashion-mnist, a local folder, or owner/name on the Hub.
        seed: whole number from 0 to 4294967295; image k has seed + k, and the same seed is the same image.
        count: how many images, 1 to 64.
        labels: classes by number or name, repeated over the images ("3", "Bag,Coat"); a mix is "Bag:0.7+Coat:0.3".
        truncation: 0 to 1; smaller is closer to the average image.
        direction_1: standard deviations along the model's strongest latent direction, -4 to 4; direction_2 to
            direction_4: along the next ones.

    Returns:
        PNG files that carry the request that makes them again, a zip of them, and the request as a query string.
    """
    with errors_shown():
        if not 1 <= count <= MAX_COUNT:
            raise AIGCError(f"The number of images must be from 1 to {MAX_COUNT}.")
        token = token_of(visitor)
        strengths = (direction_1, direction_2, direction_3, direction_4)
        values = {
            "checkpoint": model,
            "seed": seed,
            "count": count,
            "labels": labels,
            "truncation": truncation,
            "offsets": dict(zip(directions(model, token), strengths)) if any(strengths) else {},
        }
        request = parse_config(SampleRequest, values, "Request")
        images = draw(request.canonical(), token)
        weights = load(model, token).weights_sha256
    folder = served_folder()
    paths = []
    for image, single in zip(torch.from_numpy(images), request.singles()):
        path = folder / f"{Path(model.partition('@')[0]).name}-seed-{single.seed}.png"
        path.write_bytes(png_bytes(image, single, weights))
        paths.append(str(path))
    archive = folder / "images.zip"
    with zipfile.ZipFile(archive, "w") as pack:
        for path in paths:
            pack.write(path, Path(path).name)
    return paths, str(archive), "?" + request.canonical()


def about(model: str, visitor: gr.OAuthToken | None = None) -> tuple[str, Image.Image | None]:
    """A model's card without its front matter, and its sample grid."""
    with errors_shown():
        check_reference(local(model))
        folder = resolve_reference(local(model), token=token_of(visitor))
    card, samples = folder / CARD_FILE, folder / SAMPLES_FILE
    body = card.read_text(encoding="utf-8").split("---\n", 2)[-1] if card.is_file() else "This model has no card."
    lines = [line for line in body.splitlines() if not line.startswith("![")]
    return "\n".join(lines), Image.open(samples) if samples.is_file() else None


def copy_to_account(model: str, name: str, visitor: gr.OAuthToken) -> str:
    """Push a model into a private repository of the visitor, with the visitor's own rights; says where."""
    from aigc_core.hub import push

    with errors_shown():
        check_reference(local(model))
        address = push(resolve_reference(local(model), token=visitor.token), name, private=True, token=visitor.token)
    return f"[{name}]({address})"


def state_of_link(request: gr.Request) -> list[Any]:
    """The controls' values for the page's address: those of a shared link, or the defaults."""
    models = model_references()
    defaults = SampleRequest(
        checkpoint="checkpoints/fashion-mnist" if "checkpoints/fashion-mnist" in models else models[0], seed=7, count=16
    )
    known = {"checkpoint", "seed", "count", "labels", "truncation"}
    query = {key: value for key, value in request.query_params.items() if key in known or key.startswith("offset.")}
    try:
        shared = SampleRequest.from_canonical(urlencode(query)) if "checkpoint" in query else defaults
    except AIGCError as error:
        gr.Warning(str(error))
        shared = defaults
    sliders = sliders_for(shared.checkpoint, shared.offsets)
    return [shared.checkpoint, shared.seed, shared.count, shared.labels, shared.truncation, *sliders]


def journey(
    model: str, seed: float, count: float, labels: str, truncation: float, visitor: gr.OAuthToken | None = None,
    progress: Any = gr.Progress(),  # noqa: B008  (Gradio's way to ask for a progress bar)
) -> str:  # fmt: skip
    """A looping movie (MP4) through the images of the seeds from `seed` on, at most twelve of them."""
    from aigc_core.interpolation import interpolate, write_movie

    with errors_shown():
        values = {"checkpoint": model, "seed": seed, "count": max(2, min(12, count)), "labels": labels}
        request = parse_config(SampleRequest, values | {"truncation": truncation}, "Request")
        progress(0.2)
        frames = interpolate(load(model, token_of(visitor)), request.singles())
        progress(0.7)
        path = served_folder() / "journey.mp4"
        write_movie(path, frames)
    return str(path)


def invert(
    model: str, picture: Image.Image | None, visitor: gr.OAuthToken | None = None
) -> Iterator[tuple[Image.Image, str]]:
    """The image of the model that is nearest to an uploaded one, as it is approached, and its loss."""
    from aigc_core.interpolation import enlarge
    from aigc_core.inversion import invert as approach

    with errors_shown():
        if picture is None:
            raise AIGCError("Upload a picture first.")
        checkpoint = load(model, token_of(visitor))
        for state in approach(checkpoint, picture):
            if state.step % 20 == 0:
                yield to_picture(enlarge(state.image[None])[0]), f"{state.step} · {state.loss:.4f}"


def build() -> gr.Blocks:
    """The page."""
    with gr.Blocks(title="AIGC Studio", delete_cache=(3600, 7200)) as page:
        gr.Markdown("# AIGC Studio", elem_id="title")
        gr.Markdown(text("intro"))
        if "OAUTH_CLIENT_ID" in os.environ:
            gr.LoginButton(size="sm")
        with gr.Tab(text("create")), gr.Row():
            with gr.Column(scale=2, min_width=280):
                models = model_references()
                model = gr.Dropdown(
                    models,
                    value=models[0] if models else None,
                    label=text("model"),
                    info=text("model_info"),
                    allow_custom_value=True,
                )
                with gr.Row():
                    seed = gr.Number(7, label=text("seed"), precision=0, minimum=0, maximum=MAX_SEED, min_width=120)
                    dice = gr.Button(text("dice"), min_width=120)
                count = gr.Slider(1, MAX_COUNT, 16, step=1, label=text("count"))
                labels = gr.Textbox("", label=text("labels"), info=text("labels_info"))
                truncation = gr.Slider(0, 1, 1, step=0.01, label=text("truncation"), info=text("truncation_info"))
                with gr.Accordion(text("latent"), open=True):
                    sliders = [gr.Slider(-4, 4, 0, step=0.1, label="—") for _ in range(NUM_DIRECTIONS)]
                start = gr.Button(text("generate"), variant="primary")
            with gr.Column(scale=3, min_width=280):
                gallery = gr.Gallery(
                    label=text("images"), columns=4, height=620, object_fit="contain", elem_id="images", format="png"
                )
                archive = gr.DownloadButton(text("zip"))  # type: ignore[arg-type]
                link = gr.Textbox(label=text("link"), interactive=False, buttons=["copy"], elem_id="link")
        with gr.Tab(text("journey")), gr.Column():
            gr.Markdown(text("journey_info"))
            film = gr.Button(text("journey"), variant="primary")
            movie = gr.Video(show_label=False, autoplay=True, loop=True, height=420)
        with gr.Tab(text("invert")):
            gr.Markdown(text("invert_info"))
            with gr.Row():
                upload = gr.Image(
                    type="pil", label=text("upload"), sources=["upload", "clipboard", "webcam"], height=300
                )
                nearest = gr.Image(label=text("nearest"), interactive=False, height=300, elem_id="nearest")
            search = gr.Button(text("invert"), variant="primary")
            loss = gr.Textbox(label=text("loss"), interactive=False)
        with gr.Tab(text("about")) as about_tab, gr.Row():
            card = gr.Markdown()
            picture = gr.Image(show_label=False, interactive=False, elem_id="samples")
            if "OAUTH_CLIENT_ID" in os.environ:
                with gr.Column():
                    name = gr.Textbox(label=text("copy_name"), placeholder="owner/name")
                    copy, copied = gr.Button(text("copy")), gr.Markdown()
                    copy.click(copy_to_account, [model, name], copied, api_visibility="private")
        inputs, outputs = [model, seed, count, labels, truncation, *sliders], [gallery, archive, link]
        # The address bar follows, so that the page can be reloaded or shared as it is.
        follow = "q => { const url = new URL(q, location.href); history.replaceState(null, '', url); return url.href; }"
        unlisted: Any = {"api_visibility": "private"}

        def followed(generated: Any) -> None:
            generated.then(None, link, link, js=follow, **unlisted)

        def generated_after(event: Any) -> None:
            followed(event.then(generate, inputs, outputs, **unlisted))

        followed(start.click(generate, inputs, outputs, api_name="generate"))
        generated_after(dice.click(lambda: random.randrange(1_000_000), None, seed, **unlisted))
        for control in (count, truncation, *sliders):
            followed(
                control.input(generate, inputs, outputs, show_progress="hidden", trigger_mode="always_last", **unlisted)
            )
        for control in (seed, labels):
            followed(control.submit(generate, inputs, outputs, **unlisted))
        generated_after(model.input(reset_sliders, model, sliders, **unlisted))
        generated_after(page.load(state_of_link, None, inputs, **unlisted))
        film.click(journey, inputs[:5], movie, api_name="journey")
        search.click(invert, [model, upload], [nearest, loss], api_name="invert")
        about_tab.select(about, model, [card, picture], api_name="about")
    return page.queue(default_concurrency_limit=2, max_size=200)


def main() -> None:
    """Serve the page."""
    parser = argparse.ArgumentParser(description="AIGC Studio in a browser")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("GRADIO_SERVER_PORT", "7860")))
    arguments = parser.parse_args()
    if os.environ.get("SPACES_ZERO_GPU"):
        # What lies on "cuda" before the app starts is moved to the GPU fastest (Hugging Face, Spaces ZeroGPU).
        for shipped in sorted((ROOT / "checkpoints").glob("*/" + CONFIG_FILE)):
            load(f"checkpoints/{shipped.parent.name}")
    theme = gr.themes.Soft(  # type: ignore[reportPrivateImportUsage]
        primary_hue="indigo", secondary_hue="indigo", neutral_hue="slate"
    )
    build().launch(
        server_name=arguments.host,
        server_port=arguments.port,
        theme=theme,
        # In the page's head, since Gradio confines `css` to what lies inside its main column.
        head=f"<style>{CSS}</style>",
        i18n=text,
        allowed_paths=[str(ROOT / "checkpoints")],
        footer_links=["api", "settings"],
    )


if __name__ == "__main__":
    main()
