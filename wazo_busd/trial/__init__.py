# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The trial: cases that a person has written down, and what a configuration makes of them."""

from wazo_busd.trial.case import Case, Cases, read_cases
from wazo_busd.trial.difference import Difference
from wazo_busd.trial.step import moment
from wazo_busd.trial.trial import try_case

__all__ = ['Case', 'Cases', 'Difference', 'moment', 'read_cases', 'try_case']
