# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The doctor: finds out why events do not reach their handlers, and says what to type."""

from wazo_busd.doctor.bundle import Exists, contents, write
from wazo_busd.doctor.daemon import Told
from wazo_busd.doctor.doctor import Doctor, Examined
from wazo_busd.doctor.finding import Finding, Severity, worst_first
from wazo_busd.doctor.redaction import Redaction

__all__ = [
    'Doctor',
    'Examined',
    'Exists',
    'Finding',
    'Redaction',
    'Severity',
    'Told',
    'contents',
    'worst_first',
    'write',
]
