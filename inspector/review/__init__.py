"""What dispositions add up to: rates with intervals, shifts, agreement, previews, exports. Counts in, values out."""
