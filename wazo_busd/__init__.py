# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""wazo-busd: runs handler plugins on the events of the Wazo message bus."""

from importlib.metadata import version

__version__ = version('wazo-busd')
