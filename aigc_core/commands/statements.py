"""Options of the form NAME=VALUE that several commands share, such as statements about models of other tools."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable

from aigc_core.errors import AIGCError


def add_state(parser: ArgumentParser) -> None:
    """Add --state: statements about a model whose own files are unclear."""
    parser.add_argument(
        "--state",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="say what a model that others made leaves open, such as value_range=-1,1",
    )


def stated_of(arguments: Namespace) -> dict[str, str]:
    """The statements, by name. Raises AIGCError for one without a value."""
    return named_values("--state", arguments.state)


def named_values(option: str, settings: Iterable[str]) -> dict[str, str]:
    """The values, by name, of an option that is given as NAME=VALUE. Raises AIGCError if one has no value."""
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not (name and equals):
            raise AIGCError("{option} takes name=value, not '{setting}'.", option=option, setting=setting)
        values[name] = value
    return values
