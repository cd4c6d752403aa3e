# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The demonstration: a day at an office, on a bus in memory, with the real handlers and what they talk to."""
