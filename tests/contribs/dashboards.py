# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The form of the dashboards: what Grafana exports, without what belongs to one Grafana."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1)]


class Form(BaseModel):
    """Nothing that is not known, and nothing taken for something else."""

    model_config = ConfigDict(extra='forbid', strict=True)


class Datasource(Form):
    """Where figures come from: what the viewer has chosen."""

    type: Literal['prometheus']
    uid: Literal['${datasource}']


class Place(Form):
    """Where a panel stands, in columns and rows."""

    x: Annotated[int, Field(ge=0)]
    y: Annotated[int, Field(ge=0)]
    w: Annotated[int, Field(ge=1, le=24)]
    h: Annotated[int, Field(ge=1, le=40)]


class Target(Form):
    """A query."""

    datasource: Datasource
    editorMode: Literal['code']  # noqa: N815 — Grafana's word, as the others below
    expr: Text
    format: Literal['table'] | None = None
    instant: Literal[True] | None = None
    legendFormat: str  # noqa: N815
    range: bool
    refId: Annotated[str, Field(pattern='^[A-Z]$')]  # noqa: N815


class Defaults(Form):
    """How values are shown."""

    unit: Literal['bytes', 'dateTimeAsIso', 'dateTimeFromNow', 'eps', 'percentunit', 's', 'short']
    color: dict[str, str] | None = None
    custom: dict[str, Any] | None = None
    decimals: int | None = None
    mappings: list[dict[str, Any]] | None = None
    max: float | None = None
    min: float | None = None
    noValue: str | None = None  # noqa: N815
    thresholds: dict[str, Any] | None = None


class Fields(Form):
    """How the values of a panel are shown."""

    defaults: Defaults
    overrides: list[dict[str, Any]]


class Row(Form):
    """A heading."""

    type: Literal['row']
    id: int
    title: Text
    collapsed: Literal[False]
    gridPos: Place  # noqa: N815
    panels: Annotated[list[Any], Field(max_length=0)]


class Panel(Form):
    """A panel."""

    type: Literal['bargauge', 'stat', 'state-timeline', 'table', 'timeseries']
    id: int
    title: Text
    description: Annotated[str, Field(pattern=r'^[A-Z][^.]*[.]$')]
    datasource: Datasource
    fieldConfig: Fields  # noqa: N815
    gridPos: Place  # noqa: N815
    options: dict[str, Any]
    targets: Annotated[list[Target], Field(min_length=1)]
    transformations: list[dict[str, Any]] | None = None


class Choice(Form):
    """A variable: which Prometheus."""

    type: Literal['datasource']
    name: Literal['datasource']
    query: Literal['prometheus']
    label: Text
    current: dict[str, Any]
    hide: Literal[0]
    includeAll: Literal[False]  # noqa: N815
    multi: Literal[False]
    options: list[Any]
    refresh: int
    regex: str
    skipUrlSync: bool  # noqa: N815


class Values(Form):
    """A variable: which values of a label."""

    type: Literal['query']
    name: Literal['job', 'instance', 'queue']
    query: dict[str, Any]
    label: Text
    allowCustomValue: bool  # noqa: N815
    current: dict[str, Any]
    datasource: Datasource
    hide: Literal[0]
    includeAll: Literal[True]  # noqa: N815
    multi: Literal[True]
    refresh: int
    regex: str
    skipUrlSync: bool  # noqa: N815
    sort: int


class Variables(Form):
    """What the viewer chooses."""

    list: Annotated[list[Choice | Values], Field(min_length=3)]


class Times(Form):
    """Which time is shown at first."""

    from_: Annotated[str, Field(alias='from', pattern=r'^now-\d+[hd]$')]
    to: Literal['now']


class Board(Form):
    """A dashboard; one that has an id is of one Grafana alone."""

    title: Text
    uid: Annotated[str, Field(pattern='^[a-z-]{8,40}$')]
    description: Text
    panels: list[Row | Panel]
    templating: Variables
    time: Times
    schemaVersion: Annotated[int, Field(ge=41)]  # noqa: N815
    version: int
    tags: list[str]
    annotations: dict[str, list[Any]]
    editable: bool
    fiscalYearStartMonth: int  # noqa: N815
    graphTooltip: int  # noqa: N815
    links: list[dict[str, Any]]
    refresh: str
    timepicker: dict[str, Any]
    timezone: Literal['browser']
    weekStart: str  # noqa: N815
