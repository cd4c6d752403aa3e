# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""HTTP: the sessions that handlers share."""

from wazo_busd.http.client import SharedSession, is_outage
from wazo_busd.http.refused import Refused

__all__ = ['Refused', 'SharedSession', 'is_outage']
