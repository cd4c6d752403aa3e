# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the daemon imports only when its handlers have begun, its HTTP server.

Every plugin of the benchmark imports it beforehand: so it belongs to the start, which is left out, also where too few
events warm the daemon up to leave it out.
"""

import wazo_busd.http.server  # noqa: F401
