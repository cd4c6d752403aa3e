# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""HTTP: the session that handlers share."""

from wazo_busd.http.client import SharedSession, is_outage

__all__ = ['SharedSession', 'is_outage']
