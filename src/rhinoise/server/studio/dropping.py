"""Where folders of pictures are dropped: sent as they are, sub-folders and captions and all.

Gradio's own component forgets the folders that files lie in. This one sends them to `/api/v1/folders`, some
at a time, says what was left out, and tells the page what the folder is called.
"""

import gradio as gr

from rhinoise.server.studio import html


def dropping(most: int) -> gr.HTML:
    """The component; its `select` has the folder's name, as requests call it, as `folder`.

    Files of more than `most` bytes are left out before they are sent.
    """
    return html.own(__file__, str(most), "drop")
