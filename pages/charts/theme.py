"""Colours of the charts."""

# Streamlit replaces these by its ten categorical colours, of the light or the dark theme.
THEME_COLOURS = tuple(f"#0000{number:02d}" for number in range(1, 11))
