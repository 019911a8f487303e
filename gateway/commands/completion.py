"""`xmpp-gateway completion bash|zsh`: print a script that completes commands, options, their values and known domains.

xmpp-gateway completion bash > /etc/bash_completion.d/xmpp-gateway
xmpp-gateway completion zsh > ~/.zfunc/_xmpp-gateway

The scripts are made from the definitions of `--help`, so they know every command, option and choice. Which domains are
known is asked of the running service when somebody completes one; bash expands what it completes, so only names without
characters that mean something to a shell are taken.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator

from gateway.commands import COMMANDS, command_line

BASH = """\
_xmpp_gateway() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" command="${{COMP_WORDS[1]}}"
    local options values option value place=0 i
    local -a places config
    local -A takes
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "{commands} --help --version" -- "$word"))
        return
    fi
    case "$command" in
{cases}
        *) return ;;
    esac
    for ((i = 2; i < COMP_CWORD; i++)); do
        option="${{COMP_WORDS[i]}}"
        if [[ -n ${{takes[${{option:-_}}]}} ]]; then
            i=$((i + 1))
            [[ $option == --config ]] && config=(--config "${{COMP_WORDS[i]}}")
        elif [[ $option != -* ]]; then
            place=$((place + 1))
        fi
    done
    if [[ -n ${{takes[${{before:-_}}]}} ]]; then
        value="${{takes[${{before:-_}}]}}"
    elif [[ $word == -* ]]; then
        value="$options"
    else
        value="${{places[place]}}"
    fi
    case "$value" in
        FILE) compopt -o default ;;
        DOMAIN)
            values=$(xmpp-gateway peers --json "${{config[@]}}" 2>/dev/null |
                grep -Eo '"domain": *"[[:alnum:].:_-]+"' | cut -d'"' -f4)
            COMPREPLY=($(compgen -W "$values" -- "$word"))
            ;;
        OTHER) ;;
        *) COMPREPLY=($(compgen -W "$value" -- "$word")) ;;
    esac
}}
complete -F _xmpp_gateway xmpp-gateway
"""

ZSH = """\
#compdef xmpp-gateway
_xmpp_gateway_domains() {{
    local -a domains config
    (( ${{+opt_args[--config]}} )) && config=(--config "${{opt_args[--config]}}")
    domains=(${{(f)"$(xmpp-gateway peers --json $config 2>/dev/null |
        grep -Eo '"domain": *"[[:alnum:].:_-]+"' | cut -d'"' -f4)"}})
    compadd -a domains
}}
_xmpp_gateway() {{
    local -a commands
    commands=(
{described}
    )
    if ((CURRENT == 2)); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    ((CURRENT--))
    case $command in
{cases}
    esac
}}
_xmpp_gateway "$@"
"""

FILES, DOMAINS, OTHERS = "FILE", "DOMAIN", "OTHER"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell to complete for")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    print(script(arguments.shell), end="")
    return 0


def script(shell: str) -> str:
    """Return the script for bash or zsh."""
    _, parsers = command_line(COMMANDS)
    if shell == "bash":
        cases = "\n".join(_bash_case(name, parser) for name, parser in parsers.items())
        return BASH.format(commands=" ".join(COMMANDS), cases=cases)
    cases = "\n".join(_zsh_case(name, parser) for name, parser in parsers.items())
    described = "\n".join(f"        {_quoted(_described(name, text))}" for name, text in COMMANDS.items())
    return ZSH.format(described=described, cases=cases)


def _options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    return (action for action in parser._actions if action.option_strings)  # argparse has no public API for this


def _places(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    return (action for action in parser._actions if not action.option_strings)


def _value(action: argparse.Action) -> str:
    """Return what completes the value of an argument: the choices, or one of FILES, DOMAINS and OTHERS."""
    if action.choices is not None:
        return " ".join(map(str, action.choices))
    shown = str(action.metavar or "")
    if shown == DOMAINS:
        return DOMAINS
    return FILES if re.search(r"FILE|\.\w+$", shown) else OTHERS


def _long(action: argparse.Action) -> Iterator[str]:
    return (name for name in action.option_strings if name.startswith("--"))


def _bash_case(name: str, parser: argparse.ArgumentParser) -> str:
    options = " ".join(each for action in _options(parser) for each in _long(action))
    takes = (
        f"[{each}]={_quoted(_value(action))}"
        for action in _options(parser)
        if action.nargs != 0
        for each in _long(action)
    )
    places = (_quoted(_value(action)) for action in _places(parser))
    return "\n".join(
        [
            f"        {name})",
            f"            options={_quoted(options)}",
            f"            takes=({' '.join(takes)})",
            f"            places=({' '.join(places)})",
            "            ;;",
        ]
    )


def _zsh_case(name: str, parser: argparse.ArgumentParser) -> str:
    told = [*_zsh_options(_options(parser)), *_zsh_places(_places(parser))]
    return "\n".join([f"        {name})", "            _arguments \\", *_continued(told), "            ;;"])


def _zsh_options(actions: Iterable[argparse.Action]) -> Iterator[str]:
    for action in actions:
        value = "" if action.nargs == 0 else f":{_colons(str(action.metavar or action.dest))}:{_zsh_value(action)}"
        for each in _long(action):
            yield f"{each}[{_brackets(action.help or '')}]{value}"


def _zsh_places(actions: Iterable[argparse.Action]) -> Iterator[str]:
    marks = {"?": "::", "*": "*:", "+": "*:"}  # optional; any number of them
    for action in actions:
        mark = marks.get(str(action.nargs), ":")
        yield f"{mark}{_colons(str(action.metavar or action.dest))}:{_zsh_value(action)}"


def _zsh_value(action: argparse.Action) -> str:
    value = _value(action)
    return {FILES: "_files", DOMAINS: "_xmpp_gateway_domains", OTHERS: " "}.get(value, f"({value})")


def _continued(told: list[str]) -> Iterator[str]:
    for number, each in enumerate(told, 1):
        yield f"                {_quoted(each)}{' ' + chr(92) if number < len(told) else ''}"


def _described(name: str, text: str) -> str:
    return f"{name}:{_colons(text)}"


def _colons(text: str) -> str:
    return text.replace(":", "\\:")


def _brackets(text: str) -> str:
    return text.replace("[", "\\[").replace("]", "\\]")


def _quoted(text: str) -> str:
    """Return a text as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
