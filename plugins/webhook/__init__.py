# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`webhook`: every event as a request to a web server."""

from .plugin import Webhook

__all__ = ['Webhook']
