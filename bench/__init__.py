# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What an event costs: the daemon beside the clients that people would use instead."""
