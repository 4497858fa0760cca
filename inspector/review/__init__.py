"""What dispositions add up to: rates with intervals, shifts, agreement, previews. Counts in, values out."""
