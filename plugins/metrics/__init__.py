# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`metrics`: a telephony day in figures."""

from .plugin import Metrics

__all__ = ['Metrics']
