"""``completion``: the script that lets a shell complete commands, options and files."""

import click
from click.shell_completion import get_completion_class

from edgeflownas.errors import InputError

_EPILOG = """\b
Add this line to the start-up file of your shell:
  bash   eval "$(edgeflownas-search completion bash)"     in ~/.bashrc
  zsh    eval "$(edgeflownas-search completion zsh)"      in ~/.zshrc
  fish   edgeflownas-search completion fish | source      in ~/.config/fish/config.fish"""


@click.command(epilog=_EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete commands, options and files."""
    completion = get_completion_class(shell)
    root = context.find_root()
    if completion is None or root.info_name is None:
        raise InputError(f"completion: this version of click does not support {shell}")
    variable = f"_{root.info_name.replace('-', '_')}_COMPLETE".upper()
    click.echo(completion(root.command, {}, root.info_name, variable).source())
