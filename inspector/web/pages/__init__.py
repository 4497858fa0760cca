"""The pages, in the order of the navigation. Each module has a `router` and, to be in the navigation, a `NAV`."""

from inspector.web.pages import (
    accounts,
    api,
    audit,
    banks,
    checks,
    export,
    figures,
    find,
    frame,
    language,
    line,
    live,
    login,
    queue,
    region,
    setup,
    thresholds,
)
from inspector.web.pages import help as help_page

PAGES = (
    queue,
    line,
    figures,
    checks,
    thresholds,
    banks,
    audit,
    accounts,
    help_page,
    frame,
    find,
    api,
    export,
    live,
    login,
    language,
    region,
    setup,
)
