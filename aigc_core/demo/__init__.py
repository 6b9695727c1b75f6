"""The Gradio app, a module a tab; `app.py` composes them. Nothing else in the package imports this."""
