"""The figures as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from models import FEATURES


def requests_table(result: dict[str, list[dict[str, Any]]]) -> str:
    """Write the figures of both routes, model by model."""
    lines = [
        f"One row of {FEATURES} values",
        "",
        "| model | connections | route | requests/s | p50 ms | p99 ms |",
        "|---|---:|---|---:|---:|---:|",
    ]
    for model, entries in result.items():
        for entry in entries:
            for name, digits in (("invocations", 3), ("constant", 3), ("ratio", 2)):
                figures = entry[name]
                rate = figures["requests_per_second"]
                lines.append(
                    f"| {model} | {entry['connections']} | {name} | "
                    f"{rate:.{2 if name == 'ratio' else 0}f} | "
                    f"{figures['p50_ms']:.{digits}f} | {figures['p99_ms']:.{digits}f} |"
                )
    return "\n".join([*lines, ""])


def large_table(result: dict[str, Any]) -> str:
    """Write the figures of the large body."""
    return (
        f"{result['bytes']:,} bytes of CSV: {result['server_s']:.3f} s; the libraries alone "
        f"{result['libraries_s']:.3f} s; ratio {result['ratio']:.2f}\n"
    )


def start_table(result: dict[str, Any]) -> str:
    """Write the figures of the start."""
    return (
        f"serve to first 200: {result['first_200_s']:.2f} s; import of its libraries "
        f"{result['import_s']:.2f} s; ratio {result['ratio']:.2f}\n"
    )


def memory_table(result: list[dict[str, Any]]) -> str:
    """Write the memory of the processes."""
    lines = [
        "| workers | master PSS MiB | each worker PSS MiB | all PSS MiB | a worker's RSS MiB |",
        "|---:|---:|---:|---:|---:|",
    ]
    for entry in result:
        each = statistics.mean(entry["worker_pss_mib"])
        lines.append(
            f"| {entry['workers']} | {entry['master_pss_mib']:.0f} | {each:.0f} | "
            f"{entry['total_pss_mib']:.0f} | {entry['worker_rss_mib']:.0f} |"
        )
    return "\n".join([*lines, ""])


def metrics_table(result: dict[str, Any]) -> str:
    """Write the cost of telemetry."""
    share = result["counting_us"] / result["request_us"]
    return (
        f"counting for /metrics takes {result['counting_us']:.1f} us of the "
        f"{result['request_us']:.0f} us of processor time of a request: {share:.1%}\n"
    )


def workers_table(result: dict[str, Any]) -> str:
    """Write the figures of other workers of gunicorn."""
    lines = [
        "| worker | requests/s | p50 ms | p99 ms | requests/s against the constant answer |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, entry in result.items():
        if "error" in entry:
            lines.append(f"| {name} | {entry['error'][:60]} | | | |")
            continue
        own = entry["invocations"]
        lines.append(
            f"| {name} | {own['requests_per_second']:.0f} | {own['p50_ms']:.2f} | "
            f"{own['p99_ms']:.2f} | {entry['ratio']['requests_per_second']:.2f} |"
        )
    return "\n".join([*lines, ""])


def soak_table(result: dict[str, Any]) -> str:
    """Write the figures of the long load."""
    return (
        f"{result['seconds']:.0f} s at {result['requests_per_second']:.0f} requests/s, "
        f"{result['failed']:.0f} failed; {result['before_mib']:.1f} MiB before, "
        f"{result['after_mib']:.1f} after; SIGTERM in the middle of load: {result['answered']} "
        f"requests answered, {result['lost']} lost, exit code {result['exit']}\n"
    )


def stops_table(result: dict[str, Any]) -> str:
    """Write the outcomes of clients while servers stop."""
    return (
        f"{result['stops']} stops, {result['stops_with_losses']} with losses: "
        f"{result['answered']} requests answered, {result['lost']} lost, {result['closed']} kept "
        f"connections closed between requests; slowest stop {result['slowest_s']:.1f} s, "
        f"{result['other_exits']} exit codes other than 0\n"
        + "".join(f"  {loss}\n" for loss in result["losses"])
    )


TABLES: dict[str, Callable[[Any], str]] = {
    "requests": requests_table,
    "large": large_table,
    "start": start_table,
    "memory": memory_table,
    "metrics": metrics_table,
    "workers": workers_table,
    "stops": stops_table,
    "soak": soak_table,
}
