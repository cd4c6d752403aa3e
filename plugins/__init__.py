# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The plugins that come with wazo-busd. They import `wazo_busd.api` and nothing else of it, as any plugin."""
