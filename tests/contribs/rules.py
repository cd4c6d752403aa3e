# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The form of Prometheus' files of rules, as strict as Prometheus reads them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Duration = Annotated[str, Field(pattern=r'^(0|(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?)$', min_length=1)]
Name = Annotated[str, Field(pattern=r'^[a-zA-Z_][a-zA-Z0-9_]*$')]


class Form(BaseModel):
    """Nothing that is not known, and nothing taken for something else."""

    model_config = ConfigDict(extra='forbid', strict=True)


class Labels(Form):
    """What alerts are sent on by."""

    severity: Literal['critical', 'warning', 'info']


class Annotations(Form):
    """What a person reads."""

    summary: Annotated[str, Field(min_length=10, max_length=120)]
    description: Annotated[str, Field(min_length=20, max_length=400)]


class Alert(Form):
    """A rule."""

    alert: Name
    expr: Annotated[str, Field(min_length=1)]
    for_: Duration = Field(alias='for')
    labels: Labels
    annotations: Annotations


class Group(Form):
    """Rules that are worked out together."""

    name: Annotated[str, Field(min_length=1)]
    interval: Duration | None = None
    rules: Annotated[list[Alert], Field(min_length=1)]


class RuleFile(Form):
    """A file."""

    groups: Annotated[list[Group], Field(min_length=1)]
