"""How the page looks: a theme of system fonts, and page.css for what is not one of Gradio's components."""

from pathlib import Path

import gradio as gr

SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
MONO = ["ui-monospace", "Consolas", "monospace"]

THEME = gr.themes.Default(
    primary_hue="blue", secondary_hue="blue", neutral_hue="slate", radius_size="md", font=SANS, font_mono=MONO
)
SHEET = Path(__file__).with_name("page.css")
