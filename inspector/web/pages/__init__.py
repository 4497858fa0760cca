"""The pages, in the order of the navigation. Each module has a `router` and, to be in the navigation, a `NAV`."""

from inspector.web.pages import api, live, login, queue, setup
from inspector.web.pages import help as help_page

PAGES = (queue, help_page, api, live, login, setup)
