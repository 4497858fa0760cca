"""What README claims, measured. The product is imported before OpenVINO: see `inspector/__init__.py`."""

import inspector as inspector
