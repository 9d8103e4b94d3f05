"""Some of many steps, for where there is no room for all."""


def evenly(total: int, most: int) -> list[int]:
    """At most `most` of the places 0 to `total` - 1, evenly, the first and the last among them."""
    count = min(total, most)
    return sorted({round(i * (total - 1) / max(1, count - 1)) for i in range(count)})
