"""The whole product on one machine: `inspector demo`."""
