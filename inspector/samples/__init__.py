"""Good samples of a station, from its running line to the next bank, as the page Samples has them."""
