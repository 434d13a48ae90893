"""Groups of commands that suggest a similar command for a misspelt one, and list commands in a given order."""

from typing import List, Optional, Tuple

import click

from edgeflownas.wording import suggest


class SuggestingGroup(click.Group):
    """A group that suggests a similar command for a misspelt one, also with click 8.1."""

    def resolve_command(
        self, ctx: click.Context, args: List[str]
    ) -> Tuple[Optional[str], Optional[click.Command], List[str]]:
        """Return the name, the command and the remaining arguments."""
        names = self.list_commands(ctx)
        if not args or args[0] in names or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        similar = suggest(args[0], names)
        hint = f"did you mean {similar}?" if similar else f"the commands are {', '.join(names)}"
        raise click.UsageError(f"No such command {args[0]!r}; {hint}", ctx)


class OrderedGroup(SuggestingGroup):
    """A group that lists its commands in the order of definition, each with the whole first sentence of its help."""

    def list_commands(self, ctx: click.Context) -> List[str]:
        """Return the names of the commands in the order of their definition."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands, in the order of the workflow"):
            formatter.write_dl([(name, command.get_short_help_str(200)) for name, command in self.commands.items()])
