# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The torture programme: faults of every kind, under load, and a history in which every event must be accounted for."""
