"""`s3am completion`: scripts for shells, and the manual page, made from the parser itself."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "print a completion script for a shell, or the manual page"
DESCRIPTION = """\
Prints what makes a shell complete s3am's commands and options, or the manual page in roff."""
EXAMPLES = """\
examples:
  s3am completion bash > ~/.local/share/bash-completion/completions/s3am
  s3am completion zsh > ~/.zfunc/_s3am
  s3am completion fish > ~/.config/fish/completions/s3am.fish
  s3am completion man > s3am.1"""

Options = dict[str, list[tuple[str, str]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish", "man"))


def run(args: argparse.Namespace, output: Output) -> int:
    from .main import build_parser

    parser = build_parser()
    make = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    text = _man(parser) if args.shell == "man" else make[args.shell](*_options(parser))
    output.result(text, {"event": "completion", "shell": args.shell, "text": text})
    return 0


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    subparsers = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(subparsers.choices)


def _options(parser: argparse.ArgumentParser) -> tuple[dict[str, str], Options]:
    """Command -> summary, and command -> [(option, help)]."""
    from .main import command_module

    commands = _commands(parser)
    options = {
        name: [
            (option, action.help or "")
            for action in sub._actions
            for option in action.option_strings
            if option.startswith("--")
        ]
        for name, sub in commands.items()
    }
    return {name: command_module(name).SUMMARY for name in commands}, options


def _bash(commands: dict[str, str], options: Options) -> str:
    cases = "\n".join(
        f'        {name}) words="{" ".join(option for option, _ in found)}" ;;' for name, found in options.items()
    )
    return f"""\
_s3am() {{
    local words="" word current="${{COMP_WORDS[COMP_CWORD]}}" command=""
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$word" in -*) ;; *) command="$word"; break ;; esac
    done
    case "$command" in
        "") words="{" ".join(commands)} --help --version" ;;
{cases}
    esac
    if [[ "$current" == -* || -z "$command" ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    else
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}}
complete -o filenames -F _s3am s3am"""


def _zsh(commands: dict[str, str], options: Options) -> str:
    described = "\n".join(f"        '{name}:{_quoted(summary)}'" for name, summary in commands.items())
    cases = "\n".join(
        f"        {name}) _arguments {' '.join(_zsh_option(*option) for option in found)} '*:file:_files' ;;"
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
_s3am "$@\""""


def _zsh_option(option: str, text: str) -> str:
    return f"'{option}[{_quoted(text).replace('[', '(').replace(']', ')')}]'"


def _fish(commands: dict[str, str], options: Options) -> str:
    lines = ["complete -c s3am -n __fish_use_subcommand -f"]
    lines += [
        f"complete -c s3am -n __fish_use_subcommand -f -a {name} -d '{_quoted(summary)}'"
        for name, summary in commands.items()
    ]
    lines += [
        f"complete -c s3am -n '__fish_seen_subcommand_from {name}' -l {option[2:]} -d '{_quoted(text)}'"
        for name, found in options.items()
        for option, text in found
    ]
    return "\n".join(lines)


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
