"""A program for OpenAI, unchanged: an image, and an edit of it.

OPENAI_BASE_URL=http://localhost:8000/v1 OPENAI_API_KEY=KEY python openai_sdk.py [PROMPT]
"""

import base64
import io
import os
import sys
from pathlib import Path

from openai import OpenAI

client = OpenAI()
model = os.environ.get("OPENAI_IMAGE_MODEL", "kie/nano-banana-2")
prompt = sys.argv[1] if len(sys.argv) > 1 else "a lighthouse in a storm, oil on canvas"


def save(image: str | None, name: str) -> bytes:
    content = base64.b64decode(image or "")
    Path(name).write_bytes(content)
    print(name)
    return content


made = client.images.generate(model=model, prompt=prompt, size="1536x1024")
lighthouse = save(made.data[0].b64_json, "image.png")

edited = client.images.edit(model=model, prompt="the same at night", image=io.BytesIO(lighthouse))
save(edited.data[0].b64_json, "edited.png")
