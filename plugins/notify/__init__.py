# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`notify`: every event, or a burst, as a message in a chat room or wherever else apprise brings it."""

from .plugin import Notify

__all__ = ['Notify']
