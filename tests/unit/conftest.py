# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the unit tests share."""

from __future__ import annotations

from hypothesis import settings

# A machine that is busy with something else is no failure.
settings.register_profile('patient', deadline=None)
settings.load_profile('patient')
