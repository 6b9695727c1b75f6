"""Put the demo, the dashboard or a report on Hugging Face Spaces: `python spaces/deploy.py demo OWNER/NAME`.

Running it again updates the Space, or goes on where it stopped. This folder is no Python package and is never
imported: `import spaces` must find Hugging Face's package of that name.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aigc_core.errors import AIGCError  # noqa: E402
from aigc_core.hub.faults import faults_as_sentences  # noqa: E402
from aigc_core.terminal import run_program  # noqa: E402

CORE = [
    "LICENSE",
    "aigc_core/**/*.py",
    "aigc_core/locale/*/LC_MESSAGES/*.po",
    "aigc_core/training/presets/*.yaml",
    "aigc_core/metrics/weights/*.safetensors",
    "aigc_core/metrics/weights/*.json",
    *(
        f"checkpoints/{depth}/{name}"
        for depth in ("*", "*/step-*")
        for name in ("config.json", "*.safetensors", "samples.png", "README.md", "eval/*.json", "eval/*.png")
    ),
]
FILES = {
    "demo": ["app.py", "checkpoints/*/timeline/*", "checkpoints/app.png", "checkpoints/sounds.png", *CORE],
    "dashboard": ["dashboard/**/*.py", ".streamlit/config.toml", "checkpoints/dashboard.png", *CORE],
}
SDK = {"demo": "gradio", "dashboard": "docker", "report": "static"}
DEFAULT_HARDWARE = {"demo": "zero-a10g", "dashboard": "cpu-basic"}
TAG = "aigc-studio"
PLACEHOLDER = "https://huggingface.co/spaces/OWNER/NAME"
"""The Space's address in its card, which thumbnail and examples begin with: the Hub asks for whole addresses
(https://huggingface.co/docs/hub/spaces-config-reference)."""
MODELS_VARIABLE = "AIGC_MODELS"
TOKEN_VARIABLE = "SPACE_HF_TOKEN"
BUILD_SECONDS = 1800
BEGIN_SECONDS = 20
LOG_LINES = 20


def assemble(app: str, repo_id: str, folder: Path, models: list[str], hardware: str) -> None:
    """Write into `folder` (empty or absent) exactly what the repository of the Space `repo_id` will hold.

    Raises AIGCError if the folder is not empty or a file of the list is a link.
    """
    from huggingface_hub import constants

    _check_empty(folder)
    sources = {path.relative_to(ROOT): path for pattern in FILES[app] for path in ROOT.glob(pattern)}
    own = ROOT / "spaces" / app
    sources |= {path.relative_to(own): path for path in own.iterdir() if path.is_file()}
    for name, source in sorted(sources.items()):
        if source.is_symlink():
            raise AIGCError("'{source}' is a link; put the file itself there.", source=source)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / name)
    card = folder / "README.md"
    card.write_text(card.read_text("utf-8").replace(PLACEHOLDER, f"{constants.ENDPOINT}/spaces/{repo_id}"), "utf-8")
    _list_models(card, models)
    if app == "dashboard" and not hardware.startswith("cpu-"):
        dockerfile = folder / "Dockerfile"
        dockerfile.write_text(dockerfile.read_text("utf-8").replace("ARG TORCH=cpu", "ARG TORCH=cuda"), "utf-8")


def assemble_report(checkpoints: list[str], figure: str, folder: Path) -> None:
    """Write into `folder` (empty or absent) the frozen page of evaluated checkpoints, and its card.

    Training images are not pushed to the Hub: the page shows them only beside the samples of models that ship.
    Raises AIGCError if the folder is not empty or no checkpoint can be shown.
    """
    from aigc_core.checkpoint.reference import CheckpointReference
    from aigc_core.serving.report import evaluated_entries, report_page, sample_pictures
    from aigc_core.translation import environment_language

    _check_empty(folder)
    entries = evaluated_entries(checkpoints)
    page = report_page(entries, sample_pictures(entries), figure, environment_language(), lambda entry: entry.ships)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(page, "utf-8")
    shutil.copyfile(ROOT / "spaces" / "report" / "README.md", folder / "README.md")
    references = [CheckpointReference.parse(entry.reference) for entry in entries]
    _list_models(folder / "README.md", sorted({found.location for found in references if found.is_on_hub}))


def _check_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AIGCError("'{folder}' is not empty; name a new folder.", folder=folder)


def _list_models(card: Path, models: list[str]) -> None:
    """Add models of the Hub to a Space's card."""
    if models:
        listed = "models:\n" + "".join(f"  - {model}\n" for model in models)
        card.write_text(card.read_text("utf-8").replace("tags:\n", listed + "tags:\n", 1), "utf-8")


def deploy_report(checkpoints: list[str], repo_id: str, figure: str, private: bool = False) -> str:
    """Create or update a static Space with the frozen page of evaluated checkpoints; returns its address.

    A static Space needs no hardware and no build. Raises AIGCError with what was refused or went wrong.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    with faults_as_sentences("Logging in"):
        api.whoami()
    space = _existing_space(api, "report", repo_id)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "space"
        assemble_report(checkpoints, figure, folder)
        if space is None:
            with faults_as_sentences(f"Creating the Space '{repo_id}'"):
                api.create_repo(repo_id, repo_type="space", private=private, exist_ok=True, space_sdk=SDK["report"])
        _upload(api, repo_id, folder)
    return f"{api.endpoint}/spaces/{repo_id}"


def deploy(
    app: str,
    repo_id: str,
    hardware: str | None = None,
    private: bool = False,
    models: list[str] | None = None,
    sleep: int | None = None,
) -> str:
    """Create or update the Space and wait until it runs; returns its address.

    What is not given keeps its value in an existing Space. Raises AIGCError with what was refused or went wrong.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    with faults_as_sentences("Logging in"):
        api.whoami()
    space = _existing_space(api, app, repo_id)
    if hardware is None and space is not None and space.runtime is not None:
        hardware = space.runtime.requested_hardware or space.runtime.hardware
    hardware = str(getattr(hardware, "value", hardware) or DEFAULT_HARDWARE[app])
    check_hardware(app, hardware, sleep)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "space"
        assemble(app, repo_id, folder, models or [], hardware)
        for model in models or []:
            with faults_as_sentences(f"The model '{model}'"):
                is_private = api.model_info(model).private
            if is_private and TOKEN_VARIABLE not in os.environ:
                raise AIGCError(
                    "'{model}' is private: put a token that may only read it into the environment variable "
                    "{variable}; it becomes a secret of the Space, and visitors can open all that it may read.",
                    model=model,
                    variable=TOKEN_VARIABLE,
                )
        if space is None:
            with faults_as_sentences(f"Creating the Space '{repo_id}' on {hardware}"):
                api.create_repo(
                    repo_id,
                    repo_type="space",
                    private=private,
                    exist_ok=True,
                    space_sdk=SDK[app],
                    space_hardware=hardware,  # type: ignore[arg-type]  # newer hardware than the client lists
                    space_sleep_time=sleep,
                )
        with faults_as_sentences(f"Setting variables and secrets of '{repo_id}'"):
            if models is not None:
                api.add_space_variable(repo_id, MODELS_VARIABLE, " ".join(models))
            if TOKEN_VARIABLE in os.environ:
                api.add_space_secret(repo_id, "HF_TOKEN", os.environ[TOKEN_VARIABLE])
        changed = _upload(api, repo_id, folder)
    with faults_as_sentences(f"Moving '{repo_id}' to {hardware}"):
        runtime = api.get_space_runtime(repo_id)
        if hardware not in (runtime.requested_hardware, None if runtime.requested_hardware else runtime.hardware):
            api.request_space_hardware(repo_id, hardware, sleep_time=sleep)  # type: ignore[arg-type]  # as above
        elif sleep is not None and sleep != runtime.sleep_time:
            api.set_space_sleep_time(repo_id, sleep)
        if not changed and runtime.stage in ("BUILD_ERROR", "RUNTIME_ERROR", "CONFIG_ERROR", "PAUSED", "STOPPED"):
            api.restart_space(repo_id, factory_reboot=True)
    return _wait(api, repo_id, changed)


def _upload(api: Any, repo_id: str, folder: Path) -> bool:
    """Let a Space's repository hold what the folder does, in one commit; returns whether that changed anything."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    print(f"Uploading to {repo_id} …")
    with faults_as_sentences(f"Uploading to '{repo_id}'"):
        before = api.repo_info(repo_id, repo_type="space").sha
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        there = set(api.list_repo_files(repo_id, repo_type="space")) - {".gitattributes"}
        added = [CommitOperationAdd(name, folder / name) for name in sorted(names)]
        gone = [CommitOperationDelete(name) for name in sorted(there - names)]
        after = api.create_commit(
            repo_id, [*added, *gone], repo_type="space", commit_message="Update from the repository of AIGC Studio"
        ).oid
    return after != before


def check_hardware(app: str, hardware: str, sleep: int | None) -> None:
    """Raises AIGCError for what Spaces is known to refuse, before anything is sent."""
    if app == "dashboard" and hardware == "zero-a10g":
        raise AIGCError("ZeroGPU runs Gradio only, so not the dashboard; choose --hardware cpu-basic or a GPU.")
    if sleep is not None and hardware in ("cpu-basic", "zero-a10g"):
        raise AIGCError(
            "{hardware} goes to sleep by its own rules; --sleep is for hardware that is paid for.", hardware=hardware
        )


def _existing_space(api: Any, app: str, repo_id: str) -> Any:
    """The Space of that name, or None. Raises AIGCError if it holds something else than this app."""
    from huggingface_hub.errors import RepositoryNotFoundError

    with faults_as_sentences(f"The Space '{repo_id}'"):
        try:
            space = api.space_info(repo_id)
        except RepositoryNotFoundError:
            return None
    files = {file.rfilename for file in space.siblings or []}
    ours = space.sdk == SDK[app] and TAG in ((space.card_data or {}).get("tags") or [])
    if not ours and files - {".gitattributes", "README.md"}:
        raise AIGCError("The name '{repo_id}' is taken by another Space; choose another one.", repo_id=repo_id)
    return space


def _wait(api: Any, repo_id: str, changed: bool) -> str:
    address = f"{api.endpoint}/spaces/{repo_id}"
    print(f"Waiting for the build of {address} …")
    with faults_as_sentences(f"Watching the build of '{repo_id}'"):
        begun_by = time.monotonic() + BEGIN_SECONDS
        # A running Space stays RUNNING for a moment after a commit, before its build begins.
        while changed and api.get_space_runtime(repo_id).stage == "RUNNING" and time.monotonic() < begun_by:
            time.sleep(1)
        try:
            runtime = api.wait_for_space(repo_id, timeout=BUILD_SECONDS, poll_interval=2)
        except TimeoutError:
            raise AIGCError(
                "{address} is still being built; run the same command again to go on waiting.", address=address
            ) from None
        if runtime.stage in ("BUILD_ERROR", "RUNTIME_ERROR"):
            lines = list(api.fetch_space_logs(repo_id, build=runtime.stage == "BUILD_ERROR"))
            print("".join(line.rstrip("\n") + "\n" for line in lines[-LOG_LINES:]), end="", file=sys.stderr)
    if runtime.stage in ("RUNNING", "PAUSED", "STOPPED"):
        return address
    reason = runtime.raw.get("errorMessage") or "its log's last lines are above"
    raise AIGCError(
        "{address} does not run ({stage}): {reason}. Run the same command again once it is fixed.",
        address=address,
        stage=runtime.stage,
        reason=reason,
    )


def main(words: list[str] | None = None) -> None:
    """Deploy as the command line says. Raises AIGCError as the functions above do."""
    arguments = _parser().parse_args(words)
    app, repo_id, folder = arguments.app, arguments.repo_id, arguments.dry_run
    if app == "report":
        if folder:
            assemble_report(arguments.checkpoints, arguments.figure, folder)
        else:
            print(deploy_report(arguments.checkpoints, repo_id, arguments.figure, arguments.private))
    elif folder:
        hardware = arguments.hardware or DEFAULT_HARDWARE[app]
        check_hardware(app, hardware, arguments.sleep)
        assemble(app, repo_id, folder, arguments.models or [], hardware)
    else:
        print(deploy(app, repo_id, arguments.hardware, arguments.private, arguments.models, arguments.sleep))
    if folder:
        print(f"Wrote {folder}; nothing was uploaded.")


def _parser() -> argparse.ArgumentParser:
    from huggingface_hub import SpaceHardware

    from aigc_core.evaluation.results import FIGURES

    parser = argparse.ArgumentParser(description="Put the demo, the dashboard or a report on Hugging Face Spaces.")
    apps = parser.add_subparsers(dest="app", required=True, metavar="APP")
    summaries = {
        "demo": "the app, on ZeroGPU",
        "dashboard": "the dashboard, in a container on a CPU",
        "report": "a leaderboard as a frozen page: python spaces/deploy.py report CHECKPOINT … OWNER/NAME",
    }
    for app, summary in summaries.items():
        of_app = apps.add_parser(app, help=summary, description=summary)
        if app == "report":
            of_app.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT", help="as in `report`")
            of_app.add_argument("--figure", default="fid", choices=sorted(FIGURES), help="what is ranked by")
        else:
            hardware = [flavour.value for flavour in SpaceHardware]
            of_app.add_argument("--hardware", choices=hardware, help=f"by default {DEFAULT_HARDWARE[app]}")
            of_app.add_argument(
                "--models", nargs="+", metavar="REPO", help="models of the Hub to offer beside those on board"
            )
            of_app.add_argument("--sleep", type=int, metavar="SECONDS", help="sleep after so long without a visitor")
        of_app.add_argument("repo_id", metavar="OWNER/NAME")
        of_app.add_argument("--private", action="store_true", help="visible to you alone")
        of_app.add_argument("--dry-run", type=Path, metavar="DIR", help="write what would be uploaded, and stop")
    return parser


if __name__ == "__main__":
    sys.exit(run_program(main, "Interrupted; run the same command again to continue."))
