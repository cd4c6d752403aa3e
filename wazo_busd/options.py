# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The options: what the configuration tells a plugin, as the plugin's own model has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from wazo_busd.peer import Peer


class BaseOptions(BaseModel):
    """The base of a plugin's options: unknown keys are mistakes, values do not change, defaults are checked too."""

    model_config = ConfigDict(extra='forbid', frozen=True, hide_input_in_errors=True, validate_default=True)

    @property
    def digest_seconds(self) -> float | None:
        """For how long events are gathered, so that the plugin is called once for all of them; `None` for each.

        A plugin that makes digests says it here. The event that it gets then has a `burst` with all of them.
        """
        return None

    @property
    def burst_refusal(self) -> str:
        """Why events cannot be handled as a burst, in a sentence; `''` if they can.

        A plugin that would tell or keep only the last one says it here, and `check` refuses `collapse`.
        """
        return ''

    @property
    def patience_seconds(self) -> float | None:
        """How long one call may wait for an answer; `None` if the options do not say.

        A handler whose `timeout` is no longer is a mistake: it would end calls that could have been answered.
        """
        return None

    def surprises(self) -> Iterable[str]:
        """What `check` warns of, in sentences: what is no mistake and will not work here and now."""
        return ()

    def peers(self) -> Iterable[Peer] | None:
        """The servers that the plugin connects to, for `doctor`; `None` leaves it to the URLs in the options."""
        return None


class FreeOptions(dict[str, Any]):
    """The options of a plugin without a model, read as `options['url']` or `options.url`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f'there is no option {name!r}; there are: {", ".join(self) or "none"}') from None
