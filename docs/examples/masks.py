"""The masks of docs/Masks.md: prints the tiles of one, or draws all.

masks.py NAME          what `mask.tiles` says of one mask
masks.py --draw FOLDER mask-NAME.png of each
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np

import attn_mlir as am
from attn_mlir import masks

LENGTH = 256
DOCUMENTS = np.repeat(np.arange(5), [75, 30, 65, 20, 66])
GLOBAL = np.isin(np.arange(LENGTH), (0, 1, 150))
RANDOM = np.random.default_rng(1)

MASKS: dict[str, tuple[masks.Mask, int]] = {
    "causal": (masks.causal(), LENGTH),
    "longformer": (masks.longformer(24, GLOBAL), LENGTH),
    "documents": (masks.documents(DOCUMENTS) & masks.causal(), LENGTH),
    "dilated": (masks.dilated(64, 8), LENGTH),
    "neighborhood": (masks.neighborhood((16, 16), (5, 5)), LENGTH),
    "bigbird": (masks.bigbird(16, RANDOM.integers(0, 16, (16, 2))), LENGTH),
    "unknown": (
        masks.fn(lambda b, h, i, j: am.sin((i - j) * 0.1) > 0.3),
        LENGTH,
    ),
}


def draw(folder: Path) -> None:
    import matplotlib
    from matplotlib import pyplot
    from PIL import Image

    matplotlib.use("Agg")
    folder.mkdir(exist_ok=True)
    for name, (mask, length) in MASKS.items():
        figure, axes = pyplot.subplots(figsize=(3.6, 3.8), dpi=100)
        mask.plot(length, length, 16, 16, ax=axes)
        figure.tight_layout()
        drawn, picture = io.BytesIO(), io.BytesIO()
        figure.savefig(drawn, format="png")
        pyplot.close(figure)
        # Few colours: a small file.
        with Image.open(drawn) as image:
            few = image.convert("RGB").quantize(24)
            few.save(picture, format="png", optimize=True)
        path = folder / f"mask-{name}.png"
        if not path.exists() or path.read_bytes() != picture.getvalue():
            path.write_bytes(picture.getvalue())
            print(f"wrote {path.name}")


def main() -> None:
    if sys.argv[1] == "--draw":
        draw(Path(sys.argv[2]))
        return
    mask, length = MASKS[sys.argv[1]]
    print(mask.tiles(length, length, 16, 16))


if __name__ == "__main__":
    main()
