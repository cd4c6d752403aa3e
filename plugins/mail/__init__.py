# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`mail`: every event, or all of a while, as a mail."""

from .plugin import Mail

__all__ = ['Mail']
