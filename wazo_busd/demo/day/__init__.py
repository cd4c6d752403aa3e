# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The sample day: what a telephone system in an office announces from morning to night, the same for the same seed."""

from __future__ import annotations

from wazo_busd.demo.day.day import Day, Eras, Moment

__all__ = ['Day', 'Eras', 'Moment']
