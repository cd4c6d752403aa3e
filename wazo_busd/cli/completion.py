# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd completion`: what a shell needs to complete commands, options and values; and what the values can be.

Whoever presses Tab waits, so what is asked for most is answered here, before the code of any command is imported; the
rest is left to click, which knows every option.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ZshComplete, add_completion_class

PROGRAM = 'wazo-busd'
VARIABLE = '_WAZO_BUSD_COMPLETE'

SUBCOMMANDS = {
    'dead': ('drop', 'list', 'replay', 'show'),
    'docs': ('asyncapi', 'events'),
    'journal': ('export',),
    'plugin': ('check', 'list', 'new'),
    'queue': ('delete', 'list', 'purge', 'recreate'),
}
"""Of the commands that have commands of their own."""

_DEFAULT_CONFIG = Path('/etc/wazo-busd/config.yml')
_OF_CONFIG = ('-c', '--config', '--config-file')
_EVENTS = Path(__file__).parents[1] / 'catalogue' / 'events'


def handler_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The handlers of the configuration whose names begin so."""
    return _handlers(context.params.get('path') or _DEFAULT_CONFIG, incomplete)


def event_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The events of the catalogue whose names begin so."""
    return _events(_DEFAULT_CONFIG, incomplete)


def _handlers(config: Path, incomplete: str) -> list[str]:
    from wazo_busd.config import load

    return [name for name in load(Path(config)).config.handlers if name.startswith(incomplete)]


def _events(config: Path, incomplete: str) -> list[str]:
    # To read the entries takes a second; their names are what stands at the beginning of a line.
    names = re.compile(rf'^(?=\w)({re.escape(incomplete)}[\w.-]*):', re.MULTILINE)
    return [name for file in sorted(_EVENTS.glob('*.yml')) for name in names.findall(file.read_text('utf-8'))]


_VALUES: dict[str, tuple[Callable[[Path, str], list[str]], bool]] = {
    'emit': (_events, False),
    'events': (_events, False),
    'explain': (_events, False),
    'pause': (_handlers, False),
    'resume': (_handlers, False),
    'tail': (_events, True),
}
"""What a command takes as its arguments, and whether as many as one likes."""


def quick(words: Sequence[str], incomplete: str) -> list[str] | None:
    """What a word can be, where that is known without the code of the command; else `None`.

    Args:
        words: what stands before it, without the program.
        incomplete: its beginning.
    """
    if not words or words[0].startswith('-') or incomplete.startswith('-'):
        return None
    command, *others = words
    if command in SUBCOMMANDS and not others:
        return [name for name in SUBCOMMANDS[command] if name.startswith(incomplete)]
    config, rest = _without_config(others)
    if rest and rest[-1] == '--handler' and command == 'dead':
        return _handlers(config, incomplete)
    if command not in _VALUES or any(each.startswith('-') for each in rest):
        return None
    values, is_many = _VALUES[command]
    return values(config, incomplete) if is_many or not rest else None


def _without_config(words: Sequence[str]) -> tuple[Path, list[str]]:
    """The configuration that is named by `-c FILE`, and what else there is."""
    for number, word in enumerate(words[:-1]):
        if word in _OF_CONFIG:
            return Path(words[number + 1]), [*words[:number], *words[number + 2 :]]
    return _DEFAULT_CONFIG, list(words)


class _Quick:
    """What a shell's completion is asked by."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """What the word can be.

        Args:
            args: what stands before it, without the program.
            incomplete: its beginning.
        """
        found = quick(args, incomplete)
        others: Any = super()
        return others.get_completions(args, incomplete) if found is None else list(map(CompletionItem, found))


class _Bash(_Quick, BashComplete):
    name = 'bash'


class _Fish(_Quick, FishComplete):
    name = 'fish'


class _Zsh(_Quick, ZshComplete):
    name = 'zsh'
    # What click asks for is true only while zsh loads the file: the next Tab of a session would complete nothing.
    source_template = ZshComplete.source_template.replace(
        '$zsh_eval_context[-1] == loadautofunc', f'$funcstack[1] == _{PROGRAM}'
    )


SHELLS = {each.name: each for each in (_Bash, _Fish, _Zsh)}

for _each in SHELLS.values():
    add_completion_class(_each)


@click.command(short_help='Write what bash, fish or zsh needs to complete what is typed.')
@click.argument('shell', metavar='SHELL', type=click.Choice(sorted(SHELLS)))
def completion(shell: str) -> None:
    """Write the code by which SHELL (bash, fish or zsh) completes commands, options, handlers and events.

    \b
    For all users of bash, from the next login on:
      wazo-busd completion bash | sudo tee /etc/bash_completion.d/wazo-busd > /dev/null
    For zsh it belongs into a file _wazo-busd in a directory of $fpath.

    \b
    Examples:
      eval "$(wazo-busd completion bash)"
      wazo-busd completion fish > ~/.config/fish/completions/wazo-busd.fish
    """
    made = SHELLS[shell](click.Command(PROGRAM), {}, PROGRAM, VARIABLE)
    # Not its `source`, which asks bash for its version: what is written may be for another machine.
    click.echo(made.source_template % made.source_vars())
