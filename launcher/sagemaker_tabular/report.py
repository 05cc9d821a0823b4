"""Output of the command line: results and errors on standard error, one line each.

Standard output has only the results that scripts read: the image's URI, and response bodies.
"""

from __future__ import annotations

import logging
from typing import Any

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from typer.core import TyperGroup

from sagemaker_tabular.errors import explain


class ReportingGroup(TyperGroup):
    """Report each error of a command in one line with exit code 1; ``--debug`` shows more."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; ``ctx`` is a Context of click, or of typer's own copy of click."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            # Typer prints its own exceptions.
            if isinstance(error, typer.Abort) or hasattr(error, "exit_code"):
                raise
            if ctx.params.get("debug"):
                _console().print_exception()
            _console().print(f"[bold red]Error:[/] {escape(explain(error))}", soft_wrap=True)
            raise typer.Exit(1) from error


def say(what: str, detail: str, style: str = "green") -> None:
    """Print an action and a resource, such as ``Deleted: endpoint churn``."""
    _console().print(f"[{style}]{what}:[/] {escape(detail)}", soft_wrap=True)


def suggest(what: str, command: str) -> None:
    """Print a command for the next step."""
    say(what, command, "dim")


def quiet_logs(debug: bool) -> None:
    """Show the SDK's log on standard error only with ``--debug``."""
    # Parts of the SDK configure the root logger at INFO if it is not configured.
    logging.basicConfig(
        level=logging.INFO if debug else logging.WARNING,
        format="%(name)s: %(message)s",
        handlers=[RichHandler(console=_console())],
    )
    # If this logger has a handler, the SDK does not add one that writes to standard output.
    logging.getLogger("sagemaker").addHandler(logging.NullHandler())
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    for name in ("sagemaker", "sagemaker.config"):
        logging.getLogger(name).setLevel(logging.INFO if debug else logging.CRITICAL)


def _console() -> Console:
    return Console(stderr=True, highlight=False)
