"""Banks that are made from banks: samples are added or removed, false alarms fed back under guard."""
