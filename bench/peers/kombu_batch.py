# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The same as `kombu_mixin` with one acknowledgement for a hundred events, for those who say it is only the acks."""

from __future__ import annotations

from typing import Any

import kombu

from bench.peers.kombu_mixin import C
from bench.peers.source import ACKS_AT_ONCE, Source
from bench.recorder import recorder

counter = recorder()
take = counter.take


class Batch(C):
    """Acknowledges many at once."""

    def on_message(self, body: Any, message: Any) -> None:
        """One event."""
        take(body['data']['SentAt'])
        if counter.handled % ACKS_AT_ONCE == 0 or counter.is_complete:
            message.ack(multiple=True)


def main() -> None:
    """Consume until a signal ends it."""
    source = Source.from_environment()
    with kombu.Connection(source.url) as connection:
        Batch(connection, source.queue).run()


if __name__ == '__main__':
    main()
