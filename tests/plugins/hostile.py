# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Names of callers that want more than to be read."""

from __future__ import annotations

from hypothesis import strategies as st

LONG = 'A' * 65_536

NAMES = (
    '"',
    "'",
    '\\',
    '\\"',
    '"}, "admin": true, "x": {"',
    'a\nb',
    'a\r\nb',
    'x\r\nX-Admin: true',
    'x\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n',
    'x\nContent-Length: 0',
    'x HTTP/1.1\r\nX-Admin: true',
    '\x1b[31mred\x1b]0;title\x07',
    '\x00',
    '\x7f\x85\x9b',
    '<b>bold</b><script>alert(1)</script>',
    '<!channel> @everyone [a](javascript:alert(1)) *b* _c_ `d`',
    '{{ 7 * 7 }}',
    '{% for x in range(10**9) %}{% endfor %}',
    "{{ ''.__class__.__mro__ }}",
    '${file:/etc/passwd}',
    '%s%n%x',
    "'; DROP TABLE calls; --",
    '" OR 1=1 --',
    '$(reboot)',
    '`reboot`',
    '; reboot &',
    '| cat /etc/passwd',
    '\u202egnp.exe',
    '\u2066a\u2069\u200f\u061c',
    '\u2028\u2029',
    '\ud800',
    '\udfff\ud800',
    '\ufeff\uffff\U0010ffff',
    '../../admin',
    '..',
    '.',
    '%2e%2e%2f',
    '%00',
    '?admin=true&x=1#fragment',
    '&admin=true',
    ';admin=true',
    '//evil.example/',
    '@evil.example',
    '=?utf-8?q?=0d=0aX-Admin:_true?=',
    '  spaces  ',
    'été 日本 🎉',
    '',
    LONG,
    '\r\n' * 1000,
    '"' * 10_000,
)

names = st.sampled_from(NAMES) | st.text() | st.lists(st.sampled_from(NAMES[:-3]), min_size=2, max_size=3).map(''.join)
"""Any of them, some of them together, or any text."""

HOSTILE = {
    'quotes': """"'`\\"\\'Robert""",
    'newlines': 'Alice\nBcc: evil@example.com\r\n\r\n<b>body</b>\r.\r\nRSET\r\n',
    'ansi': '\x1b[31mred\x1b]0;title\x07\x1b[2J\x9b31m',
    'nul': 'a\0b',
    'chat': '@channel @here @everyone @all <!channel> <!here|x> <@U01> <users/all> [x](http://evil) **b** _i_ ~s~ `c`',
    'chat blocks': '# title\n> quote\n- item\n1. item\n```\ncode\n```\n| a | b |\n|---|---|\n![x](http://evil/p.png)',
    'html': '</td></p><script>alert(1)</script><img src=x onerror=alert(1)><a href="javascript:x()">x</a>&lt;&amp;',
    'template': '{{ 7 * 7 }}{% for x in range(9) %}x{% endfor %}{# c #}${7*7}#{7*7}<%= 7*7 %>%s%n{0}',
    'headers': 'x\r\nX-Injected: yes\r\nContent-Type: text/html\r\n\r\n<b>x</b>',
    'address': '"Alice" <evil@example.com>, bob@example.com; (comment) evil2@example.com',
    'encoded word': '=?utf-8?B?PGI+?= =?utf-8?Q?=0D=0ABcc:_evil@example.com?=',
    'sql': "'; DROP TABLE events; --",
    'shell': '; rm -rf / $(reboot) `reboot` && reboot || reboot | tee > /etc/passwd $IFS *',
    'option': '--output=/etc/passwd',
    'bidi': 'abc\u202egnp.exe\u2066x\u2069\u200e\u200f\u061c',
    'invisible': 'a\u200bb\ufeffc\u2028d\u2029e\x85f',
    'surrogate': 'a\ud800b\udfffc',
    'long': 'x' * 65_536,
    'long words': 'x ' * 32_768,
    'long at signs': '@' * 65_536,
    'emoji': '👩\u200d💻 Hélène 你好',
    'empty': '',
    'spaces': ' \t ',
}
"""Each by what it tries."""


def paired(name: str) -> str:
    """The name as JSON has it, in which two halves of a letter are that letter."""
    return name.encode('utf-16', 'surrogatepass').decode('utf-16', 'surrogatepass')
