"""``kdkit config``: look at recipes."""

import typer

from kdkit_cli.commands import Command, Group
from kdkit_cli.options import ConfigOption, DomainArgument, SetOption

app = typer.Typer(help="Look at recipes.", no_args_is_help=True, cls=Group)


def register(program: typer.Typer) -> None:
    """Add the group to the application."""
    program.add_typer(app, name="config")


@app.command("show", cls=Command)
def show(domain: DomainArgument, config: ConfigOption = None, settings: SetOption = None) -> None:
    """Print the resolved recipe, each option with its meaning, ready to be saved and changed."""
    from kdkit.errors import Problem
    from kdkit.plugins.registry import discover
    from kdkit.recipe.load import load_experiment
    from kdkit.recipe.show import commented_yaml

    missing: list[Problem] = []
    experiment = load_experiment(discover(), domain, config, settings or [], missing)
    typer.echo(commented_yaml(experiment, missing), nl=False)


@app.callback()
def _group() -> None:
    """Look at recipes."""
