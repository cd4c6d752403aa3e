# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The signature: what a server tells our requests from others by."""

from __future__ import annotations

import hashlib
import hmac

HEADER = 'X-Busd-Signature'


def signature(secret: str, body: bytes, at: int) -> str:
    """The value of the header: a time, and the HMAC-SHA256 of that time, a dot and the body.

    Args:
        secret: what both sides know.
        body: the body; nothing if there is none.
        at: when the request is sent, Unix seconds, so that one that somebody has kept can be told from a new one.
    """
    digest = hmac.new(secret.encode(), b'%d.' % at + body, hashlib.sha256).hexdigest()
    return f't={at},v1={digest}'
