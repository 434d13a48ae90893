"""Colours by role, for the light and the dark theme."""

from typing import Dict, List, Tuple

# Options from light to heavy: viridis (van der Walt and Smith, 2015), without the part close to the page's background.
_OPTIONS = {
    "light": ("#5b2a86", "#3b5b92", "#21908c", "#4fb35f", "#a5b81e"),
    "dark": ("#8f6ae0", "#5b94e0", "#35c0b4", "#7fd66b", "#f2e34c"),
}
# Runs: hues that colour-blind people can distinguish, in the order of Okabe and Ito (2008), darkened or lightened as
# needed.
_RUNS = {
    "light": ("#d1495b", "#0b6fb8", "#b9770e", "#008f6b", "#a8468f", "#4a5fc1", "#6b6f76", "#7a4a21"),
    "dark": ("#ff7d8b", "#62b6f7", "#f0b44c", "#3fd0a5", "#e78fce", "#93a4ff", "#b7bcc6", "#d09b6c"),
}
_SINGLE = {
    "light": {"exact": "#3d444d", "muted": "#8b929c"},
    "dark": {"exact": "#d7dce3", "muted": "#7d8590"},
}
THEMES = tuple(_OPTIONS)


def colour(role: str, theme: str = "light") -> str:
    """Return the colour of a role as #rrggbb; see ``chart.Series`` for the roles."""
    kind, _, rest = role.partition(" ")
    if kind == "run":
        return _RUNS[theme][int(rest) % len(_RUNS[theme])]
    if kind == "option":
        option, _, count = rest.partition("/")
        return _interpolate(_OPTIONS[theme], int(option) / max(int(count) - 1, 1))
    return _SINGLE[theme][role]


def colours(roles: List[str]) -> Dict[str, Dict[str, str]]:
    """Return the colours of roles by theme."""
    return {theme: {role: colour(role, theme) for role in sorted(set(roles))} for theme in THEMES}


def _interpolate(anchors: Tuple[str, ...], fraction: float) -> str:
    """Return the colour at a fraction from 0 to 1 along a list of colours."""
    position = fraction * (len(anchors) - 1)
    below = min(int(position), len(anchors) - 2)
    share = position - below
    first, second = (tuple(int(anchors[below + i][at : at + 2], 16) for at in (1, 3, 5)) for i in (0, 1))
    mixed = (round(a + (b - a) * share) for a, b in zip(first, second))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)
