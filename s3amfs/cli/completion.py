"""`s3am completion`: scripts for shells, and the manual page, made from the parser itself."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..core.define import define

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "print a completion script for a shell, or the manual page"
DESCRIPTION = """\
Prints a script that lets a shell complete the commands and options of s3am, or
the manual page in roff. pip installs both in share/, so 'man s3am' works as
soon as the environment's bin/ is in PATH."""
EXAMPLES = """\
examples:
  s3am completion bash > ~/.local/share/bash-completion/completions/s3am
  s3am completion zsh > ~/.zfunc/_s3am
  s3am completion fish > ~/.config/fish/completions/s3am.fish
  s3am completion man > s3am.1"""


@define(frozen=True, slots=True)
class Option:
    """An option as shells complete it."""

    name: str
    help: str
    takes_value: bool
    choices: tuple[str, ...] = ()


Options = dict[str, list[Option]]
"""Command -> its options; those without a name are the choices of its arguments."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish", "man"), help="the shell; man: the manual page")


def run(args: argparse.Namespace, output: Output) -> int:
    text = text_for(args.shell)
    output.result(text, {"event": "completion", "shell": args.shell, "text": text})
    return 0


def text_for(shell: str) -> str:
    """The script for 'bash', 'zsh' or 'fish', or the manual page: 'man'."""
    from .main import build_parser

    parser = build_parser()
    make = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    return _man(parser) if shell == "man" else make[shell](*_options(parser))


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    subparsers = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(subparsers.choices)


def _options(parser: argparse.ArgumentParser) -> tuple[dict[str, str], Options]:
    """Command -> summary, and command -> its options."""
    from .main import command_module

    commands = _commands(parser)
    options = {
        name: [
            Option(option, action.help or "", action.nargs != 0, tuple(map(str, action.choices or ())))
            for action in sub._actions
            for option in (action.option_strings or [""])
            if option.startswith("--") or (not option and action.choices)
        ]
        for name, sub in commands.items()
    }
    return {name: command_module(name).SUMMARY for name in commands}, options


def _bash(commands: dict[str, str], options: Options) -> str:
    cases = "\n".join(_bash_case(name, found) for name, found in options.items())
    everything = [option for found in options.values() for option in found]
    valued = sorted({option.name for option in everything if option.name and option.takes_value})
    return f"""\
_s3am() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
    local command="" words="" choices="" skip="" word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        if [[ -n "$skip" ]]; then skip=""; continue; fi
        case "$word" in
            {"|".join(valued)}) skip=1 ;;
            -*) ;;
            *) command="$word"; break ;;
        esac
    done
    case "$command" in
        "") words="{" ".join(commands)} --help --version" ;;
{cases}
    esac
    COMPREPLY=()
    if [[ -n "$choices" ]]; then
        COMPREPLY=($(compgen -W "$choices" -- "$current"))
    elif [[ "$current" == -* || -z "$command" ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    else
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}}
complete -F _s3am s3am"""


def _bash_case(command: str, options: list[Option]) -> str:
    choices = [
        f'                {option.name or "*"}) choices="{" ".join(option.choices)}" ;;'
        for option in sorted(options, key=lambda option: not option.name)
        if option.choices
    ]
    words = " ".join(option.name for option in options if option.name)
    inner = '\n            case "$before" in\n' + "\n".join(choices) + "\n            esac" if choices else ""
    return f'        {command}) words="{words}"{inner} ;;'


def _zsh(commands: dict[str, str], options: Options) -> str:
    described = "\n".join(f"        '{name}:{_quoted(summary)}'" for name, summary in commands.items())
    cases = "\n".join(
        f"        {name}) _arguments {' '.join(map(_zsh_option, found))} '*:file:_files' ;;"
        for name, found in options.items()
    )
    return f"""\
#compdef s3am
_s3am() {{
    local -a commands
    commands=(
{described}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{cases}
    esac
}}
compdef _s3am s3am
[[ $funcstack[1] == _s3am ]] && _s3am "$@\""""


def _zsh_option(option: Option) -> str:
    values = f"({' '.join(option.choices)})" if option.choices else "_files"
    if not option.name:
        return f"'1:word:{values}'"
    value = f":value:{values}" if option.takes_value else ""
    return f"'{option.name}[{_quoted(option.help).replace('[', '(').replace(']', ')')}]{value}'"


def _fish(commands: dict[str, str], options: Options) -> str:
    lines = ["complete -c s3am -n __fish_use_subcommand -f"]
    lines += [
        f"complete -c s3am -n __fish_use_subcommand -f -a {name} -d '{_quoted(summary)}'"
        for name, summary in commands.items()
    ]
    lines += [_fish_option(name, option) for name, found in options.items() for option in found]
    return "\n".join(lines)


def _fish_option(command: str, option: Option) -> str:
    line = f"complete -c s3am -n '__fish_seen_subcommand_from {command}'"
    if not option.name:
        return f"{line} -f -a '{' '.join(option.choices)}'"
    value = f" -x -a '{' '.join(option.choices)}'" if option.choices else " -r" if option.takes_value else ""
    return f"{line} -l {option.name[2:]}{value} -d '{_quoted(option.help)}'"


def _quoted(text: str) -> str:
    return text.replace("'", "").replace("%%", "%").replace(":", " -")


def _man(parser: argparse.ArgumentParser) -> str:
    """The same texts as --help, as a manual page."""
    from .. import __version__
    from .main import command_module

    blocks = [
        f'.TH S3AM 1 "" "s3amfs {__version__}"',
        ".SH NAME\ns3am \\- moves large objects into, across and out of S3",
        f".SH SYNOPSIS\n.nf\n{_roff(parser.format_usage())}\n.fi",
    ]
    for name, sub in _commands(parser).items():
        module = command_module(name)
        blocks.append(f".SH {name.upper()}\n{_roff(module.SUMMARY)}\n.PP\n.nf\n{_roff(sub.format_help())}\n.fi")
    return "\n".join(blocks)


def _roff(text: str) -> str:
    lines = text.replace("\\", "\\e").replace("-", "\\-").splitlines()
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in lines)
