"""Colours of the charts, and how their axes write fractions."""

# Streamlit replaces these by its ten categorical colours, of the light or the dark theme.
THEME_COLOURS = tuple(f"#0000{number:02d}" for number in range(1, 11))

PERCENT = ".3~%"  # d3-format: as many decimals as the ticks need, so that two ticks of a short axis never look the same
