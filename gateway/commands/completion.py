"""`xmpp-gateway completion bash|zsh`: print a script that completes commands, options and known domains.

xmpp-gateway completion bash > /etc/bash_completion.d/xmpp-gateway
xmpp-gateway completion zsh > ~/.zfunc/_xmpp-gateway
"""

from __future__ import annotations

import argparse

from gateway.commands import COMMANDS

WITH_DOMAIN = ("explain", "close", "retry", "probe")

BASH = """\
_xmpp_gateway() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" command="${{COMP_WORDS[1]}}"
    local config i
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${{COMP_WORDS[i]}} == --config ]] && config="${{COMP_WORDS[i+1]}}"
    done
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "{commands}" -- "$word"))
    elif [[ $before == --config ]]; then
        COMPREPLY=($(compgen -f -- "$word"))
    elif [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "--config --json --help" -- "$word"))
    elif [[ " {with_domain} " == *" $command "* && -n $config ]]; then
        local domains
        domains=$(xmpp-gateway peers --config "$config" 2>/dev/null | tail -n +2 | cut -d' ' -f1)
        COMPREPLY=($(compgen -W "$domains" -- "$word"))
    fi
}}
complete -o default -F _xmpp_gateway xmpp-gateway
"""

ZSH = """\
#compdef xmpp-gateway
_xmpp_gateway() {{
    local -a commands domains
    commands=(
{described}
    )
    if ((CURRENT == 2)); then
        _describe command commands
    elif [[ ${{words[CURRENT-1]}} == --config ]]; then
        _files
    elif [[ ${{words[CURRENT]}} == -* ]]; then
        compadd -- --config --json --help
    elif [[ " {with_domain} " == *" ${{words[2]}} "* ]]; then
        local place=${{words[(i)--config]}}
        domains=(${{(f)"$(xmpp-gateway peers --config ${{words[place+1]}} 2>/dev/null | tail -n +2 | cut -d' ' -f1)"}})
        compadd -a domains
    fi
}}
_xmpp_gateway "$@"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell to complete for")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    described = "\n".join(f"        '{name}:{text.replace(':', ',')}'" for name, text in COMMANDS.items())
    script = BASH if arguments.shell == "bash" else ZSH
    print(script.format(commands=" ".join(COMMANDS), with_domain=" ".join(WITH_DOMAIN), described=described), end="")
    return 0
