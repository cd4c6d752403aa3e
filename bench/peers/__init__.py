# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The peers: what people would write without the daemon, each as its own documentation shows it.

Each file is a program. All count with the same recorder, and all have the body decoded before they do, but for the one
in C, which leaves it as it is.
"""
