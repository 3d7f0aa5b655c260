"""``kdkit serve-teacher``: serve a teacher's logits over HTTP."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kdkit_cli.commands import Command
from kdkit_cli.options import ConfigOption, SetOption

if TYPE_CHECKING:
    from kdkit.plugins.registry import Registry

PORT = 8470
# How long the network has for what it computes when the server is stopped.
LAST_TURN_SECONDS = 2.0


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("serve-teacher", cls=Command)(serve_teacher)


def serve_teacher(
    teacher: Annotated[
        str,
        typer.Argument(
            metavar="DOMAIN|TEACHER",
            help="A domain, whose recipe says which teacher (--set teacher.KEY=VALUE), or a Python file with one; or "
            "the name of a teacher (--set KEY=VALUE).",
        ),
    ],
    config: ConfigOption = None,
    settings: SetOption = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = PORT,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            help="File with the token that clients must show.  [default: KDKIT_TEACHER_TOKEN]",
            show_default=False,
        ),
    ] = None,
    largest_request: Annotated[
        float, typer.Option("--largest-request", min=0.001, help="Largest request, in megabytes.")
    ] = 64.0,
    largest_sample: Annotated[
        float, typer.Option("--largest-sample", min=0.001, help="Largest sample of a request, in megabytes.")
    ] = 16.0,
    samples_per_minute: Annotated[
        int, typer.Option("--samples-per-minute", min=1, help="Samples served in a minute, at most.")
    ] = 10_000,
    device: Annotated[
        str | None,
        typer.Option("--device", help="cpu, cuda, ...  [default: a GPU if there is one]", show_default=False),
    ] = None,
) -> None:
    """Serve a teacher over HTTP.

    Its owner shares logits, not weights.

    Clients use the teacher called remote. Stops when interrupted.
    """
    from kdkit import stopping
    from kdkit.exits import end_process
    from kdkit.plugins.registry import discover
    from kdkit.serving.token import read_token

    token = read_token(token_file, os.environ)
    name, loaded_teacher = _load_teacher(discover(), teacher, config, settings or [])

    from kdkit.serving.exchange import Limits
    from kdkit.serving.served import ServedTeacher
    from kdkit.serving.server import TeacherServer
    from kdkit_cli.console import err, escape, spinner

    served_teacher = ServedTeacher(loaded_teacher, name, _device(device))
    limits = Limits(int(largest_request * 1e6), samples_per_minute, int(largest_sample * 1e6))
    with TeacherServer(
        (host, port), served_teacher, token, limits, lambda line: err.print(f"  {escape(line)}")
    ) as server:
        facts = f"{served_teacher.fingerprint}  on {served_teacher.device}   {server.url}"
        err.print(f"[bold]{escape(name)}[/]  {escape(facts)}")
        err.print(escape(f"  in a client's recipe: teacher: {{name: remote, url: {server.url}}}"))
        if not _is_loopback(host):
            err.print("  note: this is plain HTTP; others on the way can read the token. Put TLS in front of it.")
        with spinner.hidden(), stopping.answer_with(server.shutdown):  # waiting for clients is no work
            server.serve_forever()
    err.print("  stopped")
    if not server.exchange.is_idle(LAST_TURN_SECONDS):
        end_process(0)  # Python would wait for the network to answer, for ever perhaps


def _load_teacher(registry: "Registry", text: str, config: Path | None, settings: list[str]) -> tuple[str, Any]:
    """The teacher, and what it is called: a domain's, or one by its own name."""
    from kdkit.errors import UsageError, did_you_mean
    from kdkit.recipe.load import load_component, load_experiment

    is_file = text.endswith(".py") or "/" in text
    if is_file or text in registry.names("domain"):
        experiment = load_experiment(registry, text, config, settings)
        return experiment.recipe.teacher.name, experiment.teacher
    teachers = registry.names("teacher")
    if text not in teachers:
        names = [*registry.names("domain"), *teachers]
        raise UsageError(f"no domain or teacher is called {text!r}; {did_you_mean(text, names)}")
    if config is not None:
        raise typer.BadParameter(
            "a recipe belongs to a domain; give a teacher's options with --set", param_hint="--config"
        )
    return text, load_component(registry, "teacher", text, settings)


def _device(name: str | None) -> str:
    import torch

    from kdkit.errors import UsageError

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"this machine has no device {name!r}: {str(error).splitlines()[0]}",
            "Choose another with --device, or leave it out.",
        ) from error
    return name


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
