"""A finding of the diagnostics as a line of text, with the options of `train` that may help."""

from cnn_core.runs.finding import Finding


def describe_finding(finding: Finding) -> str:
    """Return a finding with its changed settings as `train` takes them: " Try --learning-rate 0.0003". With a model come its own defaults."""
    changes = {"model": finding.changes["model"]} if "model" in finding.changes else finding.changes
    options = [f"--{name.replace('_', '-')} {value}" for name, value in changes.items()]
    try_options = f" Try {' '.join(options)}" if options else ""
    return f"{finding.rule}: {finding.observation} {finding.remedy}{try_options}"
