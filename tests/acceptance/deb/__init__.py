# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The Debian package, installed in a Debian of its own and started by a real systemd there: `make deb-test`."""
