"""Networks and their weights, and how they become OpenVINO graphs."""
