"""What goes wrong between here and the Hugging Face Hub, as sentences for the user."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aigc_core.errors import AIGCError, Sentence


class HubUnreachable(AIGCError):
    """The Hub does not answer: offline, no connection, silence, or a fault of its own."""


class NotOnHub(AIGCError):
    """The Hub shows no such repository to whoever asks."""


@contextmanager
def faults_as_sentences(what: str) -> Iterator[None]:
    """Turn the client's errors into AIGCErrors that begin with `what`; none carries a token or a signed address."""
    from httpx2 import HTTPError  # the HTTP library of huggingface_hub

    try:
        yield
    # RuntimeError and ValueError: how the client reports a failed upload and an answer that it cannot read. The others:
    # what it runs into where an answer is JSON of another form.
    except (HTTPError, OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise _as_sentence(what, error) from None


def _as_sentence(what: str, error: BaseException) -> AIGCError:
    from httpx2 import InvalidURL, UnsupportedProtocol
    from huggingface_hub import constants, errors

    if isinstance(error, (errors.LocalEntryNotFoundError, RuntimeError)) and error.__cause__:
        return _as_sentence(what, error.__cause__)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return HubUnreachable(
            "{what}: not in the cache, and HF_HUB_OFFLINE forbids asking the Hub; unset it.", what=what
        )
    if isinstance(error, errors.LocalTokenNotFoundError):
        return AIGCError("{what}: no token was found; log in with `hf auth login`.", what=what)
    if isinstance(error, errors.HFValidationError):
        return AIGCError("{what}: this is not a name on the Hub; write OWNER/NAME.", what=what)
    if isinstance(error, errors.GatedRepoError):
        return AIGCError("{what}: its owner asks you to accept conditions on its page on the Hub first.", what=what)
    if isinstance(error, errors.RevisionNotFoundError):
        return AIGCError("{what}: there is no such revision on the Hub.", what=what)
    if isinstance(error, errors.RepositoryNotFoundError):
        return NotOnHub(
            "{what}: it is not on the Hub, or is private; check the name, or log in with `hf auth login`.", what=what
        )
    if isinstance(error, errors.HfHubHTTPError):
        return _status_as_sentence(what, error)
    if isinstance(error, (json.JSONDecodeError, RecursionError, TypeError, LookupError, AttributeError)):
        return HubUnreachable(
            "{what}: the answer is not the Hub's; check the network (a login page?) and try again.", what=what
        )
    if isinstance(error, (InvalidURL, UnsupportedProtocol)):
        return HubUnreachable(
            "{what}: HF_ENDPOINT is '{address}', which is no address; it begins with https:// or http://.",
            what=what,
            address=constants.ENDPOINT,
        )
    if isinstance(error, ValueError):
        return AIGCError("{what}: {reason}", what=what, reason=_one_line(str(error)))
    if isinstance(error, OSError) and error.errno and not isinstance(error, (ConnectionError, TimeoutError)):
        return AIGCError(
            "{what}: the cache or a file cannot be used ({reason}); mend that and try again.",
            what=what,
            reason=error.strerror,
        )
    return HubUnreachable(
        "{what}: the connection to the Hub failed ({kind}); try again to go on.", what=what, kind=type(error).__name__
    )


def _status_as_sentence(what: str, error: Any) -> AIGCError:
    status, headers = error.response.status_code, error.response.headers
    if status >= 500:
        return HubUnreachable(
            "{what}: the Hub has a fault of its own (status {status}); try again later.", what=what, status=status
        )
    if status == 429:
        # The Hub's own header (https://huggingface.co/docs/hub/rate-limits), or what stands between may say it.
        stated = re.search(r";\s*t=(\d+)", headers.get("RateLimit", "")) or re.match(
            r"(\d+)$", headers.get("Retry-After", "")
        )
        wait = stated and stated[1]
        if wait:
            return AIGCError("{what}: too many requests; try again in {wait} seconds.", what=what, wait=wait)
        return AIGCError("{what}: too many requests; try again in a while.", what=what)
    answer = _one_line(error.server_message or "")
    said = Sentence(" (the Hub says: {answer})", answer=answer) if answer else ""
    meaning = {
        401: Sentence("the token is missing or wrong; log in with `hf auth login`"),
        402: Sentence("it must be paid for, by a subscription or credits{said}", said=said),
        403: Sentence(
            "your account or token may not do this{said}; log in with a token that may write, or choose otherwise",
            said=said,
        ),
        404: Sentence("there is no such thing on the Hub, or the token may not see it"),
        409: Sentence("the name is taken, or it was changed at the same time; choose another name or try again"),
    }.get(status, Sentence("the Hub refused with status {status}{said}", status=status, said=said))
    return AIGCError("{what}: {meaning}.", what=what, meaning=meaning)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
