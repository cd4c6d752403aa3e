# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""For the tests of plugins: run one on events, without a broker and without sleeping.

    from wazo_busd.testing import Outcome, deliver, make_event

    async def test_rings_the_bell() -> None:
        assert await deliver(ring_the_bell, make_event('call_ended')) == [Outcome.DONE]

wazo-busd tests its own plugins with it.
"""

from wazo_busd.outcome import Outcome, Reason
from wazo_busd.testing.event import make_event
from wazo_busd.testing.harness import deliver, preview
from wazo_busd.testing.outcomes import Emitted, Outcomes

__all__ = ['Emitted', 'Outcome', 'Outcomes', 'Reason', 'deliver', 'make_event', 'preview']
