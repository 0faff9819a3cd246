"""The form of reconstructions.npz, which may come from others: what its arrays are, and what is wrong with some."""

from collections.abc import Mapping

from vaecli.runs.files import Arrays

IMAGES = (3, "f")
# The arrays of reconstructions.npz: dimensions and kinds of type. S images shown, L codes of K values, V labels; of a
# grid M of the codes; of a codebook its rows of D numbers, and E encodings. Images in colour have one more dimension,
# of red, green and blue.
ARRAYS: Mapping[str, tuple[int, str]] = {
    "images": IMAGES,  # [S, H, W]
    "index": (1, "iu"),  # [S]
    "mode": IMAGES,  # [S, H, W]
    "sampled": IMAGES,  # [S, H, W]
    "relaxed": IMAGES,  # [S, H, W]
    "labels": (1, "iu"),  # [S]
    "codes": (2, "iu"),  # [S, L]
    "code_counts": (2, "iu"),  # [L, K]
    "prototypes": IMAGES,  # [K, H, W]
    "contingency": (2, "iu"),  # [K, V]
    "label_values": (1, "iu"),  # [V]
    "drawn": (1, "iu"),  # [M]
    "in_place": IMAGES,  # [M, h, w]
    "alone": IMAGES,  # [M, H, W]
    "codebook": (2, "f"),  # [K, D]
    "encodings": (2, "f"),  # [E, D], of some test images
}


def wrong_arrays(arrays: Arrays) -> str | None:
    """What is inconsistent in the arrays that figures are drawn from; None if nothing is."""
    missing = [name for name in ("images", "index", "mode", "sampled") if name not in arrays]
    if missing:
        return f"it has no {missing[0]!r}"
    for name, (dimensions, kinds) in ARRAYS.items():
        array = arrays.get(name)
        if array is None:
            continue
        in_colour = (dimensions, kinds) == IMAGES and array.ndim == 4 and array.shape[3] == 3
        if array.ndim != dimensions + in_colour or array.dtype.kind not in kinds or 0 in array.shape:
            return f"{name} is {array.dtype} {array.shape}"
        if array.dtype.kind == "f" and not bool((abs(array) < 1e30).all()):
            return f"{name} holds values that are not numbers"
    shown, size = arrays["images"].shape[0], arrays["images"].shape[1:]
    if "in_place" in arrays and arrays["in_place"].shape[3:] != size[2:]:
        return f"in_place is {arrays['in_place'].shape}"
    of_codes = ("prototypes", "alone")
    for name in ("mode", "sampled", "relaxed", *of_codes):
        if name in arrays and (arrays[name].shape[1:] != size or (name not in of_codes and len(arrays[name]) != shown)):
            return f"{name} is {arrays[name].shape}"
    of_cells = [len(arrays[name]) for name in ("drawn", "in_place", "alone") if name in arrays]
    if of_cells and (len(of_cells) < 3 or len(set(of_cells)) > 1 or "code_counts" not in arrays):
        return "not one entry for each code of a grid"
    counted = [name for name in ("codes", "code_counts") if name in arrays]
    if len(counted) == 1:
        return f"it has only {counted[0]!r}"
    if any(len(arrays[name]) != shown for name in ("index", "labels", "codes") if name in arrays):
        return "not one entry for each image"
    of_values = [len(arrays[name]) for name in ("prototypes", "contingency") if name in arrays]
    if of_values and ("code_counts" not in arrays or set(of_values) != {arrays["code_counts"].shape[1]}):
        return "not one entry for each code"
    rows = [arrays[name] for name in ("codebook", "encodings") if name in arrays]
    if rows and (len(rows) < 2 or rows[0].shape[1] != rows[1].shape[1] or "code_counts" not in arrays):
        return "not a codebook with its encodings"
    if rows and len(rows[0]) != arrays["code_counts"].shape[1]:
        return "not one row for each code"
    labels = arrays.get("label_values")
    if labels is not None and ("contingency" not in arrays or arrays["contingency"].shape[1] != len(labels)):
        return "not one entry for each label"
    if counted and arrays["codes"].shape[1] % len(arrays["code_counts"]):
        return "codes that are not counted"
    if of_cells and not 0 <= arrays["drawn"].min() <= arrays["drawn"].max() < arrays["code_counts"].shape[1]:
        return "a code that does not exist"
    if counted and min(arrays["code_counts"].min(), arrays["codes"].min()) < 0:
        return "a count below 0"
    return None
