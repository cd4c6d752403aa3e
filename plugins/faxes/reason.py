# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The reason: why a fax failed, in words that people know."""

from __future__ import annotations

_UNKNOWN = 'for a reason that the host does not tell'
_WORDS = {
    # What Asterisk's res_fax calls errors.
    'channel_error': 'the call broke off',
    'hangup': 'the other side hung up',
    'init_error': 'the fax could not be begun here',
    'invalid_arguments': 'the fax could not be begun here',
    'memory_error': 'there was no memory for it here',
    't38_neg_error': 'both sides could not agree on T.38',
    'timeout': 'the other side did not answer in time',
    'unknown': _UNKNOWN,
    # What spandsp says at the end of a transmission.
    'far end cannot receive at the resolution of the image': 'the machine there cannot take this resolution',
    'far end cannot receive at the size of image': 'the machine there cannot take pages of this size',
    'far end is not compatible': 'the machine there is not compatible',
    'far end is not receive capable': 'the machine there cannot receive',
    'far end is not able to receive': 'the machine there cannot receive',
    'failed to train with any of the compatible modems': 'both modems could not agree on a speed',
    'no response after sending a page': 'the machine there fell silent after a page',
    'received a dcn from remote after sending a page': 'the machine there hung up after a page',
    'received no response to dcs or tcf': 'the machine there did not answer',
    'received no response to dcs, training or tcf': 'the machine there did not answer',
    'the call dropped prematurely': 'the call broke off',
    'timed out waiting for initial communication': 'there was no fax machine at the other end',
    'timed out waiting for the first message': 'there was no fax machine at the other end',
}


def reason_of(error: str | None) -> str:
    """Why a fax failed, in words.

    Args:
        error: what the host says: a text of its dialplan, or what a fax modem calls it; `None` for nothing.

    Returns:
        Words for what is known; what is a text already stays one, and the name of an error is read as words.
    """
    if error is None or not error.strip(' ._-'):
        return _UNKNOWN
    said = error.strip(' .')
    known = _WORDS.get(said.lower())
    if known is not None:
        return known
    return said.replace('_', ' ').lower() if said.isupper() and ' ' not in said else said
