# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What is exported: the names that can be asked for, and the labels of each, as they stand in what Prometheus reads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.contribs.figures import text
from tests.contribs.query import FUNCTIONS, GROWTH, Query

SCRAPED = frozenset(('job', 'instance'))
"""The labels that Prometheus adds to all."""


@cache
def families() -> dict[str, Metric]:
    """All figures with what belongs to each, by name."""
    return {each.name: each for each in text_string_to_metric_families(text())}


@cache
def exported() -> Mapping[str, frozenset[str]]:
    """The labels of each name, those of Prometheus included."""
    found: dict[str, frozenset[str]] = {'up': SCRAPED}
    for family in families().values():
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, SCRAPED) | frozenset(sample.labels)
    return found


@cache
def counters() -> frozenset[str]:
    """The names that only go up."""
    return frozenset(
        sample.name
        for family in families().values()
        if family.type in ('counter', 'histogram')
        for sample in family.samples
    )


def complaints(query: Query) -> list[str]:
    """What a query asks for that is not there, or asks for in a wrong way."""
    known = exported()
    found = [f'no function {each}' for each in sorted(query.functions - FUNCTIONS)]
    found += [f'no figure {each.name}' for each in query.selectors if each.name not in known]
    selectors = [each for each in query.selectors if each.name in known]
    found += [
        f'{each.name} has no label {label}' for each in selectors for label in sorted(each.labels - known[each.name])
    ]
    labels = SCRAPED.union(*(known[each.name] for each in selectors))
    found += [f'nothing has the label {each}' for each in sorted(query.groups - labels)]
    for each in selectors:
        grows = each.is_range and each.within in GROWTH
        if (each.name in counters()) != grows:
            found.append(f'{each.name} is {"a counter" if each.name in counters() else "no counter"}')
    return found


def labels_of(query: Query) -> frozenset[str]:
    """All labels that the answers to a query can have."""
    return SCRAPED.union(*(exported().get(each.name, frozenset()) for each in query.selectors))
