# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`python -m wazo_busd` is `wazo-busd`."""

from wazo_busd.cli import main

main()
