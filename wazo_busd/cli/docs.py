# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd docs`: the catalogue in forms for other tools."""

from __future__ import annotations

import json

import click

from wazo_busd import __version__, catalogue
from wazo_busd.catalogue.asyncapi import asyncapi
from wazo_busd.catalogue.handbook import handbook


@click.group(short_help='Write the catalogue of events as a document.')
def docs() -> None:
    """Write the catalogue of events as a document, to standard output."""


@docs.command('asyncapi', short_help='As an AsyncAPI 3 document.')
def asyncapi_command() -> None:
    """Write an AsyncAPI 3.0 document of all events, in JSON.

    \b
    Examples:
      wazo-busd docs asyncapi > asyncapi.json
    """
    click.echo(json.dumps(asyncapi(catalogue.entries(), __version__), indent=2, ensure_ascii=False))


@docs.command('events', short_help='As a page in Markdown.')
def events_command() -> None:
    """Write the page docs/events.md.

    \b
    Examples:
      wazo-busd docs events > docs/events.md
    """
    click.echo(handbook(catalogue.entries()), nl=False)
