# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""kombu's ConsumerMixin as Wazo's page about the message bus writes it: one acknowledgement an event.

The queue has a name here, because it is filled before the consumer is there, and counting takes the place of printing.
"""

from __future__ import annotations

from typing import Any

import kombu
from kombu.mixins import ConsumerMixin

from bench.peers.source import Source
from bench.recorder import recorder

take = recorder().take


class C(ConsumerMixin):  # type: ignore[misc] # kombu is typed in parts only
    """The class of that page."""

    def __init__(self, connection: Any, queue: str) -> None:
        self.connection = connection
        self._queue = queue

    def get_consumers(self, Consumer: Any, channel: Any) -> list[Any]:  # noqa: N803, D102 — kombu's names
        return [Consumer(kombu.Queue(self._queue, no_declare=True), callbacks=[self.on_message])]

    def on_message(self, body: Any, message: Any) -> None:
        """One event."""
        take(body['data']['SentAt'])
        message.ack()


def main() -> None:
    """Consume until a signal ends it."""
    source = Source.from_environment()
    with kombu.Connection(source.url) as connection:
        C(connection, source.queue).run()


if __name__ == '__main__':
    main()
