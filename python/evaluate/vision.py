"""Score the segmentation of plants on photos and masks of other people, beside excess green with Otsu's threshold.

Run in ``python/``: ``python -m evaluate.vision [--json]``. The data lies in ``AQUAPONIA_DATA``, or beside the
repository in ``shared/data``; where it is absent, nothing is scored.

Photos go through the same shrink as in production (long side 1024), masks through the nearest neighbour, and the two
are compared at that size. Nothing is tuned for one photo or one gallery.

``crops``
    Intersection over union of plants, for each photo.
``seedlings``
    For each gallery and both together: presence, the area under the ROC curve of plant area against "a size was
    measured"; mean intersection over union where there is a mask; correlation of area with the size measured by hand,
    where positive.
    ``seedlings_R_C.jpg`` is row R, column C of ``measurements.csv``, both from 1: the missing masks say so too.
``plantcv``
    The setaria pair: pixels of plant and the median HSV hue (degrees) inside our mask and inside theirs.
"""

import csv
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aquaponia.vision import WORKING_SIDE, Pixels, segment, shrink

Mask = NDArray[np.bool_]
Segment = Callable[[Pixels], Mask]

REPOSITORY = Path(__file__).resolve().parents[2]
BESIDE = "../shared/data"


def ours(rgb: Pixels) -> Mask:
    return segment(rgb).plant > 0


def excess_green(rgb: Pixels) -> Mask:
    """Baseline: 2g - r - b of chromatic coordinates (Woebbecke 1995), split by Otsu's threshold."""
    colour = rgb.astype(np.float32)
    index = 3 * colour[..., 1] / np.maximum(colour.sum(axis=2), 1) - 1
    scaled = np.clip((index + 1) / 3 * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.threshold(scaled, 0, 255, cv2.THRESH_OTSU)[1]) > 0


METHODS: dict[str, Segment] = {"ours": ours, "excess green + Otsu": excess_green}


def read_rgb(path: Path) -> Pixels:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(path)
    return shrink(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8))


def read_mask(path: Path, like: Pixels) -> Mask:
    """Read a mask at the photo's working size: True above 127."""
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise FileNotFoundError(path)
    height, width = like.shape[:2]
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST) > 127)


def overlap(found: Mask, truth: Mask) -> float:
    """Intersection over union; 1 where both are empty."""
    union = int((found | truth).sum())
    return int((found & truth).sum()) / union if union else 1.0


def roc_area(scores: NDArray[np.float64], positive: Mask) -> float:
    """Chance that a positive scores higher than a negative; a tie counts half."""
    difference = scores[positive][:, None] - scores[~positive][None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def score_crops(folder: Path) -> dict[str, Any]:
    scores: dict[str, dict[str, float]] = {name: {} for name in METHODS}
    for path in sorted((folder / "images").glob("*.png")):
        rgb = read_rgb(path)
        truth = ~read_mask(folder / "masks" / path.name.replace("image", "mask"), rgb)
        for name, method in METHODS.items():
            scores[name][path.stem] = overlap(method(rgb), truth)
    return {name: {"iou": float(np.mean(list(by.values()))), "photos": by} for name, by in scores.items()}


def read_sizes(path: Path) -> NDArray[np.float64]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return np.array([[float(cell) for cell in row[1:]] for row in list(csv.reader(lines))[1:]])


@dataclass
class Gallery:
    """What each method sees on a tray, pot by pot."""

    sizes: NDArray[np.float64]
    areas: dict[str, NDArray[np.float64]]
    overlaps: dict[str, list[float]]

    def scores(self) -> dict[str, Any]:
        present = self.sizes > 0
        return {
            name: {
                "presenceAuc": roc_area(self.areas[name], present),
                "iou": float(np.mean(self.overlaps[name])),
                "medianIou": float(np.median(self.overlaps[name])),
                "sizeCorrelation": float(np.corrcoef(self.areas[name][present], self.sizes[present])[0, 1]),
                "photos": self.sizes.size,
                "masks": len(self.overlaps[name]),
            }
            for name in METHODS
        }


def see_gallery(folder: Path) -> Gallery:
    sizes = read_sizes(folder / "measurements.csv")
    gallery = Gallery(sizes, {name: np.zeros(sizes.shape) for name in METHODS}, {name: [] for name in METHODS})
    for row, column in np.ndindex(sizes.shape):
        rgb = read_rgb(folder / "rgb" / f"seedlings_{row + 1}_{column + 1}.jpg")
        mask = folder / "mask" / f"seedlings_mask_{row + 1}_{column + 1}.jpg"
        truth = read_mask(mask, rgb) if mask.exists() else None
        for name, method in METHODS.items():
            found = method(rgb)
            gallery.areas[name][row, column] = found.sum()
            if truth is not None:
                gallery.overlaps[name].append(overlap(found, truth))
    return gallery


def score_seedlings(folder: Path) -> dict[str, Any]:
    galleries = {path.name: see_gallery(path) for path in sorted(folder.glob("gallery_*"))}
    every = list(galleries.values())
    galleries["both"] = Gallery(
        np.concatenate([gallery.sizes for gallery in every]),
        {name: np.concatenate([gallery.areas[name] for gallery in every]) for name in METHODS},
        {name: [value for gallery in every for value in gallery.overlaps[name]] for name in METHODS},
    )
    return {name: gallery.scores() for name, gallery in galleries.items()}


def score_setaria(folder: Path) -> dict[str, Any]:
    rgb = read_rgb(folder / "setaria_small_plant_rgb.png")
    theirs = read_mask(folder / "setaria_small_plant_mask.png", rgb)
    hue = 2.0 * np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV))[..., 0]
    masks = {"PlantCV's mask": theirs} | {name: method(rgb) for name, method in METHODS.items()}
    return {
        name: {"pixels": int(mask.sum()), "hueMedian": float(np.median(hue[mask])), "iou": overlap(mask, theirs)}
        for name, mask in masks.items()
    }


def time_segment(path: Path) -> dict[str, float]:
    """Milliseconds for one photo at the working size, one thread: the median and the least of 30."""
    cv2.setNumThreads(1)
    rgb = read_rgb(path)
    durations = []
    for _ in range(30):
        started = time.perf_counter()
        segment(rgb)
        durations.append((time.perf_counter() - started) * 1000)
    return {"medianMs": float(np.median(durations)), "leastMs": min(durations)}


def score(data: Path) -> dict[str, Any]:
    return {
        "workingSide": WORKING_SIDE,
        "crops": score_crops(data / "crops"),
        "seedlings": score_seedlings(data / "seedlings"),
        "setaria": score_setaria(data / "plantcv"),
        "segment": time_segment(data / "crops" / "images" / "007_image.png"),
    }


def table(scores: dict[str, Any]) -> str:
    names = list(METHODS)
    lines = [f"{'long side ' + str(scores['workingSide']) + ' px':<52}" + "".join(f"{name:>22}" for name in names)]

    def add(label: str, by_method: dict[str, Any], key: str) -> None:
        lines.append(f"{label:<52}" + "".join(f"{by_method[name][key]:>22.3f}" for name in names))

    add("crops: mean IoU", scores["crops"], "iou")
    for photo in scores["crops"]["ours"]["photos"]:
        add(f"  {photo}", {name: scores["crops"][name]["photos"] for name in names}, photo)
    for gallery, by_method in scores["seedlings"].items():
        for label, key in (
            ("presence AUC", "presenceAuc"),
            ("mean IoU", "iou"),
            ("median IoU", "medianIou"),
            ("correlation of area with size", "sizeCorrelation"),
        ):
            add(f"seedlings, {gallery.removeprefix('gallery_')}: {label}", by_method, key)
    for name, figures in scores["setaria"].items():
        lines.append(
            f"setaria, {name}: {figures['pixels']} px, median hue {figures['hueMedian']:.0f} degrees, "
            f"IoU {figures['iou']:.3f}"
        )
    took = scores["segment"]
    lines.append(f"segment(): median {took['medianMs']:.1f} ms, least {took['leastMs']:.1f} ms, one thread")
    return "\n".join(lines)


def main() -> None:
    named = os.environ.get("AQUAPONIA_DATA")
    data = Path(named) if named else REPOSITORY / BESIDE
    if not all((data / part).is_dir() for part in ("crops", "seedlings", "plantcv")):
        print(f"no data at {'AQUAPONIA_DATA' if named else BESIDE + ' (from the repository)'}: nothing scored")
        return
    scores = score(data)
    print(json.dumps(scores) if "--json" in sys.argv[1:] else table(scores))


if __name__ == "__main__":
    main()
