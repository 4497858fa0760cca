"""The demo's numbers as text."""

from inspector.demo.score import DemoSummary


def live_line(summary: DemoSummary) -> str:
    """The state right now, in one line."""
    return (
        f"frames {summary.frames}  verdicts {summary.verdicts}  caught {summary.caught}/{summary.drawn}  "
        f"false rejects {summary.false_rejects}/{summary.good}  "
        f"p50 {_ms(summary.p50_ms)}  p99 {_ms(summary.p99_ms)}"
    )


def summary_text(summary: DemoSummary) -> str:
    """What was seen, in a few lines."""
    kinds = ", ".join(f"{name} {kind.caught}/{kind.drawn}" for name, kind in summary.defects.items())
    rate = f" ({summary.false_rejects / summary.good:.1%})" if summary.good else ""
    uncertain = f", {summary.uncertain} uncertain" if summary.uncertain else ""
    outcomes = f"{summary.verdicts} verdicts out, {summary.errors} errors, {summary.lost} lost"
    lines = [
        f"frames     {summary.frames} in, {outcomes}",
        f"defects    {summary.caught} of {summary.drawn} caught" + (f": {kinds}" if kinds else ""),
        f"good parts {summary.good}, {summary.false_rejects} falsely rejected{rate}{uncertain}",
        f"latency    p50 {_ms(summary.p50_ms)}, p99 {_ms(summary.p99_ms)} from camera to verdict; "
        f"inspection itself p50 {_ms(summary.inspection_p50_ms)}",
    ]
    return "\n".join(lines)


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"
