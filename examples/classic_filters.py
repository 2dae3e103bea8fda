"""A photo through the kernels of image editors, by conv2d, and in other colour spaces: runs/classic_filters.png.

python examples/classic_filters.py
"""

from pathlib import Path

import numpy as np

import tinydl as td
from tinydl.data import KERNELS, apply_kernel, colour

PATH = Path("runs/classic_filters.png")

photo = td.data.photos.load()["astronaut"]
rgb = photo.transpose(2, 0, 1)[None].astype(np.float32) / 255  # (1, 3, H, W), from 0 to 1
grey = colour.rgb_to_grey(rgb)

pictures = {"photo": rgb}
for name in ("box blur", "Gaussian blur", "sharpen", "emboss"):
    pictures[name] = apply_kernel(rgb, KERNELS[name])
right, down = (apply_kernel(grey, KERNELS[name]) for name in ("Sobel x", "Sobel y"))
pictures["Sobel x"], pictures["Sobel y"] = 0.5 + right / 4, 0.5 + down / 4  # grey where nothing changes
pictures["edges: length of (x, y)"] = np.sqrt(right**2 + down**2) / 2
pictures["Laplace"] = 0.5 + apply_kernel(grey, KERNELS["Laplace"])

hsv, ycbcr = colour.rgb_to_hsv(rgb), colour.rgb_to_ycbcr(rgb)
pictures |= {name: rgb[:, i : i + 1] for i, name in enumerate(("red", "green", "blue"))}
pictures |= {name: hsv[:, i : i + 1] for i, name in enumerate(("hue", "saturation", "value"))}
turn = np.array([1 / 3, 0, 0], np.float32).reshape(3, 1, 1)
pictures["hue"] = colour.hsv_to_rgb(np.where(turn > 0, hsv, 1))  # as a full colour
pictures["hue turned by 120 degrees"] = colour.hsv_to_rgb(hsv + turn)
pictures |= {
    name: ycbcr[:, i : i + 1] for i, name in enumerate(("Y: light", "Cb: blue - light", "Cr: red - light"))
}
blurred = ycbcr.copy()
for _ in range(6):  # as JPEG does: the eye hardly sees that colours are blurred where light is not
    blurred[:, 1:] = apply_kernel(blurred[:, 1:], KERNELS["box blur"])
pictures["Cb and Cr blurred"] = colour.ycbcr_to_rgb(blurred)

for name, picture in pictures.items():
    print(f"{name:26} {picture.shape[1:]}, {picture.min():5.2f} to {picture.max():.2f}")
drawn = [colour.grey_to_rgb(p) if p.shape[1] == 1 else p for p in pictures.values()]
PATH.parent.mkdir(exist_ok=True)
td.plot.images(
    np.clip(np.concatenate(drawn), 0, 1),
    list(pictures),
    columns=4,
    path=PATH,
    title="Kernels and colour spaces",
)
print(f"written: {PATH}")
