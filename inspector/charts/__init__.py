"""What charts are drawn of: escaped markup, SVG shapes, wording. For the offline reports and the web page alike."""
